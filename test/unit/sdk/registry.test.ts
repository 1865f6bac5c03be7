import { describe, expect, test } from "bun:test";
import type { Logger } from "../../../src/sdk/logger.ts";
import { Reseolio } from "../../../src/sdk/reseolio.ts";

function client(): { reseolio: Reseolio; warnings: string[] } {
  const warnings: string[] = [];
  const logger: Logger = { debug() {}, info() {}, warn: (message) => warnings.push(message), error() {} };
  return { reseolio: new Reseolio({ autoStart: false, logger }), warnings };
}

describe("registering functions", () => {
  test("a second handler of one name is refused, showing both and where they are", () => {
    const { reseolio } = client();
    const charge = (): number => 1;
    const chargeAgain = (): number => 2;
    reseolio.durable("orders:charge", charge);
    const again = (): void => {
      reseolio.durable("orders:charge", chargeAgain);
    };
    expect(again).toThrow(
      /"orders:charge" is already registered: first charge \(.*registry\.test\.ts:\d+.*\), now chargeAgain \(.*registry\.test\.ts:\d+/,
    );
  });

  test("a name without a namespace is warned about once, with the fix", () => {
    const { reseolio, warnings } = client();
    reseolio.durable("send", () => 1);
    reseolio.durable("mail:send", () => 1);
    reseolio.durable("mail/send", () => 1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('reseolio.namespace("module", "service", "send")');
  });

  test.each([
    ["", "is empty"],
    ["  ", "is blank"],
    ["a\nb", "control character"],
    ["a:\ud800", "an unpaired surrogate"],
    ["x".repeat(257), "is 257 bytes long, but at most 256"],
    [7, "is a number"],
  ])("the name %p is refused", (name, fault) => {
    expect(() => client().reseolio.durable(name as string, () => 1)).toThrow(fault);
  });

  test("a handler that is none and an option that is none are refused at once", () => {
    expect(() => client().reseolio.durable("t:run", "no" as unknown as () => 1)).toThrow(
      "t:run: the handler is a string",
    );
    expect(() => client().reseolio.durable("t:run", () => 1, { maxAttempts: 0 })).toThrow("option maxAttempts is 0");
  });

  test("a durable function shows its name and its options", () => {
    const run = client().reseolio.durable("t:run", (to: string) => to, { maxAttempts: 5 });
    expect(run.functionName).toBe("t:run");
    expect(run.options).toEqual({ maxAttempts: 5 });
    expect(run.name).toBe("t:run");
  });
});

describe("namespace", () => {
  test("joins its parts", () =>
    expect(client().reseolio.namespace("orders", "payment", "charge")).toBe("orders:payment:charge"));

  test.each([
    [[], "at least one part"],
    [["orders", ""], "part 2 is empty"],
    [["orders", "a:b"], 'part 2 "a:b" holds the separator'],
    [[" orders"], "begins or ends with a space"],
    [["orders", undefined], "part 2 is a undefined"],
  ])("%p is refused", (parts, fault) => {
    expect(() => client().reseolio.namespace(...(parts as string[]))).toThrow(fault);
  });
});

// A handler that hands on what a library types as any.
// oxlint-disable-next-line typescript/no-explicit-any
const anything = (): any => JSON.parse("1");

describe("types of a durable function", () => {
  test("arguments and results are those of the handler after JSON, never any", () => {
    const { reseolio } = client();
    const send = reseolio.durable("t:send", async (to: string, count?: number) => ({ to, at: new Date(), count }));
    const any = reseolio.durable("t:any", anything);
    const nothing = reseolio.durable("t:nothing", () => {});
    async function neverRun(): Promise<void> {
      const result = await (await send("a", 1, { maxAttempts: 2 })).result();
      const at: string = result.at;
      const none: null = await (await nothing()).result();
      const unknown = await (await any()).result();
      // @ts-expect-error unknown is not any
      expect(unknown.anything).toBeDefined();
      // @ts-expect-error a wrong argument
      await send(1);
      // @ts-expect-error a missing argument
      await send();
      // @ts-expect-error an unknown option
      await send.with({ maxAttempt: 2 })("a");
      await send.with({ maxAttempts: 2 })("a");
      expect([at, none]).toBeDefined();
    }
    expect(neverRun).toBeFunction();
  });
});
