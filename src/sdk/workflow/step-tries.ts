/** Attempts of a step with its own retries. The number of failures is recorded, so that a crash does not reset it. */
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { stepDelayMs, type StepOptions } from "../options/step-options.ts";
import { boundedName, triesLabel } from "../replay/checkpoint-names.ts";
import type { Operation } from "../replay/operation.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import type { Execution } from "./execution.ts";
import type { RunningHandler } from "./running-handler.ts";
import { pauseFor } from "./waiting.ts";

/** A pause of at least this length is a durable sleep without a slot. */
const PARKED_PAUSE_MS = 1_000;

interface Tries {
  /** Number of failed attempts. */
  readonly failed: number;
  /** Start of the next attempt, on the worker's clock. */
  readonly dueAt: number;
  /** Length of the pause before it. */
  readonly pauseMs: number;
}

export class StepTries {
  readonly #host: RunningHandler;
  readonly #execution: Execution;
  readonly #operation: Operation;
  readonly #options: StepOptions;

  constructor(host: RunningHandler, execution: Execution, operation: Operation, options: StepOptions) {
    this.#host = host;
    this.#execution = execution;
    this.#operation = operation;
    this.#options = options;
  }

  /** Waits for the rest of the last pause, and returns the number of the next attempt. */
  async first(): Promise<number> {
    if (this.#options.maxAttempts === undefined) return 1;
    if (!this.#execution.replay.isOrdered) return 1 + this.#pausesOnRecord();
    const { journal } = this.#execution;
    const record = journal.triesOf(this.#operation.id, journal.find(this.#operation.label));
    if (record === undefined) return 1;
    const { failed, dueAt, pauseMs } = decodeValue(this.#host.functionName, record.name, record.value) as Tries;
    // Another machine's clock may differ: never pause longer than planned.
    const left = Math.min(Math.max(0, dueAt - this.#execution.clock.now()), pauseMs);
    await this.#pause(failed, left);
    return failed + 1;
  }

  /** Records that an attempt failed, and waits before the next one. */
  async pauseBehind(attempt: number, retryAfterMs: bigint | undefined): Promise<void> {
    const pauseMs =
      retryAfterMs === undefined ? stepDelayMs(this.#options, attempt, Math.random()) : Number(retryAfterMs);
    if (this.#execution.replay.isOrdered) await this.#record(attempt, pauseMs);
    await this.#pause(attempt, pauseMs);
  }

  async #record(failed: number, pauseMs: number): Promise<void> {
    const { label, id } = this.#operation;
    const tries: Tries = { failed, dueAt: this.#execution.clock.now() + pauseMs, pauseMs };
    const value = encodeValue(this.#host.functionName, label, tries);
    await this.#execution.recordInternal(triesLabel(label), { kind: CheckpointKind.TRY, value }, id);
  }

  async #pause(attempt: number, ms: number): Promise<void> {
    if (ms < PARKED_PAUSE_MS) return delayed(ms, this.#host.signal);
    this.#execution.leave();
    try {
      await pauseFor(this.#execution, this.#pauseLabel(attempt), ms);
    } finally {
      // The caller leaves once more, whether the pause ended or the handler was aborted.
      this.#execution.rejoin();
    }
  }

  /** Counts the attempts by their long pauses, in a job without a recorded order. */
  #pausesOnRecord(): number {
    let count = 0;
    while (this.#execution.journal.find(this.#pauseLabel(count + 1)) !== undefined) count++;
    return count;
  }

  #pauseLabel(attempt: number): string {
    const { failures } = this.#host;
    return boundedName(`${this.#operation.label}/retry-${attempt}${failures === 0 ? "" : `~${failures}`}`);
  }
}

function delayed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
