import { describe, expect, test } from "bun:test";
import { Backoff, OnDuplicate } from "#proto/gen/reseolio/v1/job_pb.ts";
import {
  encodeJobOptions,
  isJobOptions,
  type JobOptions,
  mergeJobOptions,
} from "../../../src/sdk/options/job-options.ts";

describe("a trailing argument", () => {
  test.each([
    [{ maxAttempts: 5 }],
    [{ idempotencyKey: "k", delayMs: 0 }],
    [Object.assign(Object.create(null), { priority: 1 })],
  ])("%p is taken as options", (value) => expect(isJobOptions(value)).toBe(true));

  test.each([
    [{}],
    [{ maxAttempts: 5, other: 1 }],
    [{ to: "a" }],
    [[{ maxAttempts: 5 }]],
    [new Date()],
    [
      new (class {
        maxAttempts = 5;
      })(),
    ],
    [null],
    [undefined],
    ["maxAttempts"],
  ])("%p is an argument of the handler", (value) => expect(isJobOptions(value)).toBe(false));
});

describe("merging a function's options with a call's", () => {
  test("the call wins, headers are joined", () => {
    const merged = mergeJobOptions(
      { maxAttempts: 5, jitter: 0.5, headers: { a: "1", b: "1" } },
      { maxAttempts: 1, headers: { b: "2" } },
    );
    expect(merged).toEqual({ maxAttempts: 1, jitter: 0.5, headers: { a: "1", b: "2" } });
  });

  test("delayMs and runAt replace each other", () => {
    const runAt = new Date(5);
    expect(mergeJobOptions({ delayMs: 5 }, { runAt })).toEqual({ runAt });
    expect(mergeJobOptions({ runAt }, { delayMs: 5 })).toEqual({ delayMs: 5 });
  });
});

describe("options on the wire", () => {
  test("only what was set is sent, and 0 is 0", () => {
    const message = encodeJobOptions("t:run", {
      jitter: 0,
      timeoutMs: 0,
      backoff: "fixed",
      onDuplicate: "reject",
      delayMs: 7,
    });
    expect(message).toMatchObject({
      jitter: 0,
      timeoutMs: 0,
      backoff: Backoff.FIXED,
      onDuplicate: OnDuplicate.REJECT,
      delayMs: 7n,
    });
    expect(message?.maxAttempts).toBeUndefined();
    expect(message?.runAt).toBeUndefined();
    expect(encodeJobOptions("t:run", {})).toBeUndefined();
    expect(encodeJobOptions("t:run", { maxAttempts: undefined } as unknown as JobOptions)).toBeUndefined();
  });

  test.each([
    [{ maxAttempts: 0 }, "option maxAttempts is 0; use a whole number from 1"],
    [{ timeoutMs: -1 }, "option timeoutMs is -1"],
    [{ initialDelayMs: 1.5 }, "option initialDelayMs is 1.5"],
    [{ delayMs: Number.NaN }, "option delayMs is NaN"],
    [{ priority: "high" }, 'option priority is "high"'],
    [{ jitter: 2 }, "option jitter is 2; use a number from 0 to 1"],
    [{ backoff: "random" }, 'option backoff is "random"; use one of fixed, linear, exponential'],
    [{ runAt: new Date(Number.NaN) }, "option runAt is Invalid Date"],
    [{ runAt: new Date(1), delayMs: 1 }, "cannot be combined"],
    [{ idempotencyKey: "" }, "option idempotencyKey is 0 bytes long"],
    [{ idempotencyKey: "order-\ud83d" }, "an unpaired surrogate"],
    [{ idempotencyKey: 7 }, "option idempotencyKey is 7"],
    [{ headers: { a: 1 } }, "option headers.a is 1; use a string"],
    [{ headers: { a: "x".repeat(17_000) } }, "option headers is 17001 bytes long"],
    [{ maxAttempt: 3 }, "option maxAttempt does not exist"],
  ])("%p is refused with its name, value and fix", (options, fault) => {
    expect(() => encodeJobOptions("t:run", options as JobOptions)).toThrow(fault);
  });

  test("what is no object in their place is refused as such", () => {
    const fault = /^the options are .*; pass an object, or leave them out$/;
    for (const options of [null, "fast", 3, [], () => {}] as unknown as JobOptions[]) {
      expect(() => encodeJobOptions("t:run", options)).toThrow(fault);
      expect(() => mergeJobOptions({}, options)).toThrow(fault);
    }
  });

  test("every fault is told at once", () => {
    expect(() => encodeJobOptions("t:run", { maxAttempts: 0, jitter: -1 })).toThrow(/maxAttempts.*jitter/);
  });
});
