import { describe, expect, test } from "bun:test";
import { ReseolioError } from "../../../src/sdk/errors.ts";
import { decodeArgs, decodeResult, encodeArgs, encodeResult } from "../../../src/sdk/serialization.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (json: string): Uint8Array => new TextEncoder().encode(json);

describe("arguments and results", () => {
  test("travel as JSON: dates as ISO strings, undefined arguments as null, undefined members not at all", () => {
    const args = ["a", undefined, { at: new Date(0), left: undefined }, null, [undefined, {}]];
    expect(text(encodeArgs("t:run", args))).toBe('["a",null,{"at":"1970-01-01T00:00:00.000Z"},null,[null,{}]]');
    expect(decodeArgs("t:run", encodeArgs("t:run", ["ü", 1]))).toEqual(["ü", 1]);
    expect(decodeArgs("t:run", new Uint8Array(0))).toEqual([]);
  });

  test("a handler without a result gives null", () => {
    expect(text(encodeResult("t:run", undefined))).toBe("null");
    expect(decodeResult("t:run", encodeResult("t:run", undefined))).toBeNull();
  });

  test.each([
    [[Number.NaN], "args[0] is NaN"],
    [[1, { total: Number.POSITIVE_INFINITY }], "args[1].total is Infinity"],
    [[{ "odd key": [10n] }], 'args[0]["odd key"][0] is the BigInt 10n'],
    [[{ tags: new Set(["a"]) }], "args[0].tags is a Set"],
    [[new Map()], "args[0] is a Map"],
    [[{ page: Promise.resolve(1) }], "args[0].page is a Promise, which JSON turns into {}; await it"],
    [[() => 1], "args[0] is a function"],
    [[[Symbol("s")]], "args[0][0] is a symbol"],
  ])("%p is refused, naming the function and the path", (args, fault) => {
    expect(() => encodeArgs("t:run", args)).toThrow(`t:run: ${fault}`);
  });

  test("an error that would be emptied is refused with its message; one that says itself what it is passes", () => {
    const settled = { status: "rejected", reason: new Error("gone") };
    expect(() => encodeResult("t:run", [settled])).toThrow("t:run: result[0].reason is an Error (gone)");
    const speaking = Object.assign(new Error("gone"), { toJSON: () => ({}) });
    expect(() => encodeResult("t:run", speaking)).not.toThrow();
  });

  test("a cycle is refused where it closes, a shared object is not a cycle", () => {
    const node: Record<string, unknown> = { name: "n" };
    node["self"] = node;
    expect(() => encodeResult("t:run", node)).toThrow("t:run: result.self is a circular reference");
    const shared = { a: null };
    expect(text(encodeResult("t:run", [shared, shared]))).toBe('[{"a":null},{"a":null}]');
  });

  test("methods of an object are left out, its toJSON is honoured", () => {
    class Money {
      constructor(readonly cents: number) {}
      toJSON(): unknown {
        return { cents: this.cents, note: null };
      }
    }
    expect(text(encodeResult("t:run", { pay: new Money(5), run() {} }))).toBe('{"pay":{"cents":5,"note":null}}');
  });

  test("more than a megabyte is refused with both sizes", () => {
    const fault = catchFault(() => encodeArgs("t:run", ["x".repeat(1_048_576)]));
    expect(fault.code).toBe("serialization");
    expect(fault.message).toContain("1048580 bytes");
    expect(fault.message).toContain("1048576");
    expect(encodeArgs("t:run", ["x".repeat(1_048_572)])).toHaveLength(1_048_576);
  });

  test("stored arguments that are no JSON array are a fault that shows them", () => {
    expect(() => decodeArgs("t:run", bytes('{"a":1}'))).toThrow('t:run: args are JSON but not an array: "{\\"a\\":1}"');
    expect(() => decodeArgs("t:run", bytes("[1,"))).toThrow("t:run: args are not JSON");
  });
});

function catchFault(act: () => unknown): ReseolioError {
  try {
    act();
  } catch (error) {
    if (error instanceof ReseolioError) return error;
  }
  throw new Error("no ReseolioError was thrown");
}
