import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob, Wait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Delivery } from "../replay/delivery.ts";
import type { Operation } from "../replay/operation.ts";
import type { Pending } from "../replay/pending-promises.ts";
import type { HandlerClock } from "./test-hooks.ts";

/** What a handler waits for. Durations count from the creation of the wait, on the monotonic clock. */
export type Awaited =
  | { readonly kind: "sleep_for"; readonly ms: number }
  | { readonly kind: "sleep_until"; readonly at: number }
  | {
      readonly kind: "event";
      readonly eventName: string;
      readonly timeoutMs: number | undefined;
      /** Ignores an event that was emitted before the job was enqueued. */
      readonly sinceStart: boolean;
    }
  | { readonly kind: "signal"; readonly signalName: string; readonly timeoutMs: number | undefined }
  | { readonly kind: "job"; readonly jobId: string };

/** How a wait ended. */
export type WaitEnd =
  | { readonly kind: "slept" }
  /** An event or a signal, or its timeout. */
  | { readonly kind: "message"; readonly checkpoint: Checkpoint }
  | { readonly kind: "job"; readonly job: FinishedJob };

/** One wait of a handler, from its registration until the handler continues. */
export class DurableWait implements Pending {
  readonly promise: Promise<WaitEnd>;
  readonly reject: (reason: Error) => void;
  /** The daemon knows the wait. */
  isSent = false;
  /** Its end alone wakes the parked handler. */
  wakes = true;
  /** What was awaited has happened; its result may still be on its way. */
  isOver = false;
  end: WaitEnd | undefined;
  /** Timer of a sleep that may end while the handler runs. */
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Stops watching the awaited job. */
  unwatch: (() => void) | undefined;
  /** Number of callers that wait for it: a job can be awaited twice. */
  holders = 1;
  /** Its delivery in the sequence, once it has a place. */
  delivery: Delivery | undefined;
  previous: Pending | undefined;
  next: Pending | undefined;
  readonly #resolve: (end: WaitEnd) => void;
  readonly #startedAt: number;

  /** Its remaining time is recorded, because it began while something kept the handler from parking. */
  isTimeKept = false;

  readonly #clock: HandlerClock;
  readonly #leftMs: number | undefined;

  /**
   * @param operation undefined for a wait inside another operation, which the handler itself does not receive
   * @param leftMs time left, if the wait began in an earlier execution
   */
  constructor(
    readonly name: string,
    readonly awaited: Awaited,
    clock: HandlerClock,
    readonly operation: Operation | undefined,
    leftMs?: number,
  ) {
    this.#clock = clock;
    this.#leftMs = leftMs;
    this.#startedAt = clock.monotonic();
    const { promise, resolve, reject } = withResolvers<WaitEnd>();
    // A handler that unwinds leaves waits behind that nobody listens to any more.
    promise.catch(() => {});
    this.promise = promise;
    this.#resolve = resolve;
    this.reject = reject;
  }

  /** Gives the result to the handler. */
  deliver(): void {
    if (this.end !== undefined) this.#resolve(this.end);
  }

  /** Frees its timer and stops watching the job. */
  release(): void {
    clearTimeout(this.timer);
    this.unwatch?.();
  }

  /** Milliseconds until its duration or timeout is over; null if it has none, or ends at a fixed time. */
  timeLeftMs(): number | null {
    const { awaited } = this;
    if (awaited.kind === "sleep_for") return this.#left(awaited.ms);
    const timeoutMs = "timeoutMs" in awaited ? awaited.timeoutMs : undefined;
    return timeoutMs === undefined ? null : this.#left(timeoutMs);
  }

  /** Milliseconds left of a sleep; null for other waits. */
  sleepLeftMs(): number | null {
    switch (this.awaited.kind) {
      case "sleep_for":
        return this.#left(this.awaited.ms);
      case "sleep_until":
        return Math.max(0, this.awaited.at - this.#clock.now());
      case "event":
      case "signal":
      case "job":
        return null;
    }
  }

  /** The wait as sent to the daemon, less the time that has passed since the handler began to wait. */
  message(isOrdered: boolean): Wait {
    const { name, operation } = this;
    const wait: Wait = {
      $typeName: "reseolio.v1.Wait",
      name,
      awaited: this.#awaitedMessage(),
      sinceStart: this.awaited.kind === "event" && this.awaited.sinceStart,
      prompt: operation?.asked.isPrompt ?? false,
      beside: operation?.asked.relation === "beside",
    };
    const timeoutMs = "timeoutMs" in this.awaited ? this.awaited.timeoutMs : undefined;
    if (timeoutMs !== undefined) wait.timeoutMs = wholeMs(this.#left(timeoutMs));
    if (isOrdered) wait.op = operation?.id ?? 0;
    return wait;
  }

  #awaitedMessage(): Wait["awaited"] {
    const { awaited } = this;
    switch (awaited.kind) {
      case "sleep_for":
        return { case: "sleepMs", value: wholeMs(this.#left(awaited.ms)) };
      case "sleep_until":
        return { case: "sleepUntil", value: timestampFromMs(awaited.at) };
      case "event":
        return { case: "eventName", value: awaited.eventName };
      case "signal":
        return { case: "signalName", value: awaited.signalName };
      case "job":
        return { case: "jobId", value: awaited.jobId };
    }
  }

  /** Time left of a duration. The daemon counts it from the moment it receives the wait, so it never ends early. */
  #left(ms: number): number {
    return Math.max(0, (this.#leftMs ?? ms) - (this.#clock.monotonic() - this.#startedAt));
  }
}

function wholeMs(ms: number): bigint {
  return BigInt(Math.ceil(ms));
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
