import { describe, expect, test } from "bun:test";
import { MAX_UINT32 } from "#proto/contract.ts";
import type { BackoffKind, RetryPolicy } from "../../../src/daemon/core/job.ts";
import { retryDelayMs } from "../../../src/daemon/core/retry-policy.ts";
import { randomFrom } from "../../support/seeded-random.ts";

function policy(backoff: BackoffKind, initialDelayMs: number, maxDelayMs: number, jitter = 0): RetryPolicy {
  return { backoff, initialDelayMs, maxDelayMs, jitter };
}

function delays(settings: RetryPolicy, failures: number): readonly number[] {
  return Array.from({ length: failures }, (_, index) => retryDelayMs(settings, index + 1, 0.5));
}

describe("without jitter", () => {
  test("fixed stays the same", () => {
    expect(delays(policy("fixed", 500, 60_000), 4)).toEqual([500, 500, 500, 500]);
  });

  test("linear grows by the first delay", () => {
    expect(delays(policy("linear", 500, 60_000), 4)).toEqual([500, 1000, 1500, 2000]);
  });

  test("exponential doubles", () => {
    expect(delays(policy("exponential", 1000, 60_000), 8)).toEqual([
      1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
    ]);
  });

  test("the upper bound holds for the first delay too", () => {
    for (const backoff of ["fixed", "linear", "exponential"] as const) {
      expect(retryDelayMs(policy(backoff, 5000, 300), 1, 0.5)).toBe(300);
    }
  });
});

test("jitter 1 reaches from nothing to twice the delay, jitter 0 not at all", () => {
  expect(retryDelayMs(policy("fixed", 1000, 60_000, 1), 1, 0)).toBe(0);
  expect(retryDelayMs(policy("fixed", 1000, 60_000, 1), 1, 1 - 2 ** -53)).toBe(2000);
  for (const chance of [0, 0.3, 0.999]) expect(retryDelayMs(policy("fixed", 1000, 60_000, 0), 1, chance)).toBe(1000);
});

test("P8: at any attempt number from 1 to 1000 and any settings the delay is inside its jitter band", () => {
  const random = randomFrom(8);
  const lengths = [0, 1, 7, 999, 1000, 60_000, MAX_UINT32];
  const pick = <T>(values: readonly T[]): T => values[random.between(0, values.length - 1)]!;
  for (let failures = 1; failures <= 1000; failures++) {
    for (let round = 0; round < 20; round++) {
      const backoff = pick(["fixed", "linear", "exponential"] as const);
      const settings = policy(backoff, pick(lengths), pick(lengths), pick([0, 0.1, 0.5, 1, random.next()]));
      const chance = pick([0, random.next(), 1 - 2 ** -53]);
      const delay = retryDelayMs(settings, failures, chance);
      const nominal = Math.min(nominalDelay(settings, failures), settings.maxDelayMs);
      const seen = JSON.stringify({ ...settings, failures, chance, delay });
      expect(Number.isSafeInteger(delay) && delay >= 0 ? "whole" : seen).toBe("whole");
      // Whole milliseconds: half a one is lost to rounding.
      expect(delay >= Math.floor(nominal * (1 - settings.jitter)) ? "not early" : seen).toBe("not early");
      expect(delay <= Math.ceil(nominal * (1 + settings.jitter)) ? "not late" : seen).toBe("not late");
    }
  }
});

/** The formula with numbers that have no upper end. */
function nominalDelay({ backoff, initialDelayMs, maxDelayMs }: RetryPolicy, failures: number): number {
  const initial = BigInt(initialDelayMs);
  const factors = { fixed: 1n, linear: BigInt(failures), exponential: 2n ** BigInt(failures - 1) };
  const exact = initial * factors[backoff];
  return exact > BigInt(maxDelayMs) ? maxDelayMs : Number(exact);
}

test("the whole jitter band is used", () => {
  const random = randomFrom(9);
  const settings = policy("fixed", 1000, 60_000, 0.1);
  const seen = Array.from({ length: 2000 }, () => retryDelayMs(settings, 1, random.next()));
  expect(Math.min(...seen)).toBeLessThan(905);
  expect(Math.max(...seen)).toBeGreaterThan(1095);
});
