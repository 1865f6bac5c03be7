import { describe, expect, test } from "bun:test";
import { embedJson, findJsonFault, parseExact, toJson } from "../../../src/cli/text/json-text.ts";

describe("the place of a fault in JSON", () => {
  test.each([
    ["[1, 2", 6, "end of text"],
    ["[1,]", 4, `"]"`],
    ["{a:1}", 2, `"a"`],
    [`{"a" 1}`, 6, `"1"`],
    [`['x']`, 2, `"'"`],
    ["", 1, "end of text"],
    ["[1] x", 5, `"x"`],
    ["[01]", 3, `"1"`],
    [`["a\\x"]`, 4, `"\\\\"`],
    ["nul", 1, `"n"`],
    ["[1 2]", 4, `"2"`],
    [`{"a":1,}`, 8, `"}"`],
  ])("%p fails at column %d", (text, column, found) => {
    expect(findJsonFault(text)).toEqual({ line: 1, column, found });
    // The judge: the reader agrees with the platform about what is JSON.
    expect(() => JSON.parse(text)).toThrow();
  });

  test("lines are counted", () => {
    expect(findJsonFault("[1,\n 2,\n ?]")).toEqual({ line: 3, column: 2, found: `"?"` });
  });

  test.each(["[]", " [1, -0.5e+3, true, false, null] ", `{"a":{"b":["\\u00e9\\n"]}}`, `"x"`, "0", "[[],{}]\n"])(
    "%p has none",
    (text) => {
      expect(findJsonFault(text)).toBeNull();
      expect(() => JSON.parse(text)).not.toThrow();
    },
  );

  test("a deeply nested text is answered, not crashed on", () => {
    const depth = 2_000;
    expect(findJsonFault("[".repeat(depth) + "]".repeat(depth))).toBeNull();
  });
});

describe("embedded JSON", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("numbers beyond a double keep their digits", () => {
    const text = "[12345678901234567890,1.5,-9007199254740993,0.12345678901234567890,1e-400]";
    expect(toJson(embedJson(bytes(text)))).toBe(text);
  });

  test("empty is null, and what is not JSON is a text", () => {
    expect(embedJson(bytes(""))).toBeNull();
    expect(embedJson(bytes("{oops"))).toBe("{oops");
  });

  test("a number in exponent form survives", () => {
    expect(JSON.parse(toJson(parseExact("[1e400, 1e2]")))).toEqual([Infinity, 100]);
    expect(toJson(parseExact("[1e400]"))).toBe("[1e400]");
  });

  test("no character reaches a terminal that it would act on", () => {
    const text = toJson({ a: "\u001b]52;c;x\u0007\u009b31m\u202e\u2028" });
    expect(/[\u0000-\u001f\u007f-\u009f\u202e\u2028]/.test(text)).toBe(false);
    expect(JSON.parse(text)).toEqual({ a: "\u001b]52;c;x\u0007\u009b31m\u202e\u2028" });
  });
});
