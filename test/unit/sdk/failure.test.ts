import { describe, expect, test } from "bun:test";
import { ReseolioError, RetryAfterError, TerminalError } from "../../../src/sdk/errors.ts";
import { failureOf } from "../../../src/sdk/workflow/failure.ts";

describe("what a handler throws", () => {
  test("an error keeps its name, message, stack and causes", () => {
    class CardError extends Error {
      override readonly name = "CardError";
    }
    const failure = failureOf(new CardError("declined", { cause: new RangeError("limit") }));
    expect(failure.error).toMatchObject({ name: "CardError", message: "declined" });
    expect(failure.error?.stack).toContain("caused by: RangeError: limit");
    expect(failure.terminal).toBe(false);
    expect(failure.retryAfterMs).toBeUndefined();
  });

  test("TerminalError asks for no retry, also from another copy of this package", () => {
    expect(failureOf(new TerminalError("no")).terminal).toBe(true);
    const foreign = Object.assign(new Error("no"), { name: "TerminalError" });
    expect(failureOf(foreign).terminal).toBe(true);
  });

  test("RetryAfterError says when, 0 included", () => {
    expect(failureOf(new RetryAfterError(1500)).retryAfterMs).toBe(1500n);
    expect(failureOf(new RetryAfterError(0)).retryAfterMs).toBe(0n);
    expect(() => new RetryAfterError(-1)).toThrow(ReseolioError);
    expect(() => new RetryAfterError(Number.NaN)).toThrow("retryAfterMs is NaN");
  });

  test.each([
    ["a plain string", 'the string "a plain string"'],
    [undefined, "undefined"],
    [null, "null"],
    [42, "42"],
    [{ code: 7 }, 'an object {"code":7}'],
    [
      new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error("trap");
          },
        },
      ),
      "something that cannot be read",
    ],
  ])("%p is described", (thrown, text) => {
    expect(failureOf(thrown).error?.message).toContain(text);
  });

  test("fields of another type than text are described too", () => {
    const error = Object.assign(new Error("x"), { message: { deep: 1 }, name: 5 });
    expect(failureOf(error).error).toMatchObject({ name: "5", message: 'an object {"deep":1}' });
  });

  test("long texts are cut to what the daemon keeps, at a character's end", () => {
    const message = failureOf(new Error("ü😀".repeat(20_000))).error?.message ?? "";
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(16 * 1024);
    expect(Buffer.byteLength(message)).toBeGreaterThan(12 * 1024);
    expect(message).toEndWith("… (cut)");
    expect(message.isWellFormed()).toBe(true);
  });
});
