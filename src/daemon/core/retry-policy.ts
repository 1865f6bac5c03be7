import type { RetryPolicy } from "./job.ts";

/**
 * Delay before the attempt that follows the given number of failures (from 1), in whole milliseconds.
 *
 *   fixed        initialDelayMs
 *   linear       initialDelayMs × failures
 *   exponential  initialDelayMs × 2^(failures - 1)
 *
 * capped at maxDelayMs, then moved by jitter: uniformly within [delay × (1 - jitter), delay × (1 + jitter)].
 * Never negative, never NaN or infinite, at any number of failures.
 *
 * @param chance a number in [0, 1) that selects the delay within the jitter band
 */
export function retryDelayMs(policy: RetryPolicy, failures: number, chance: number): number {
  const nominal = Math.min(nominalDelayMs(policy, failures), policy.maxDelayMs);
  return Math.round(nominal * (1 + policy.jitter * (2 * chance - 1)));
}

function nominalDelayMs(policy: RetryPolicy, failures: number): number {
  switch (policy.backoff) {
    case "fixed":
      return policy.initialDelayMs;
    case "linear":
      return policy.initialDelayMs * failures;
    case "exponential":
      // 2^1023 is the largest finite power; 0 × Infinity would be NaN.
      return policy.initialDelayMs * 2 ** Math.min(failures - 1, 1023);
  }
}
