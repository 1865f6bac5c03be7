/**
 * Keeps the end of each wait the same in every execution. The daemon receives waits when the handler parks, and counts
 * from then. A wait that begins while a step runs has its time left recorded in a note, so that a restart does not
 * lengthen it.
 */
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { timeOf } from "../replay/checkpoint-journal.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import { LazyMap } from "../replay/lazy-map.ts";
import type { Operation } from "../replay/operation.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import type { Awaited as AwaitedThing, DurableWait } from "./durable-wait.ts";
import type { HandlerClock } from "./test-hooks.ts";

/** Shorter waits are not worth a record: a restart takes longer. */
const MIN_RECORDED_MS = 200;

export interface WaitTimesPort {
  readonly clock: HandlerClock;
  readonly functionName: string;
  /** Number of failed attempts of the job. */
  readonly failures: number;
  find(label: string): Checkpoint | undefined;
  /** Records a note that nobody waits for. */
  recordNote(label: string, value: Uint8Array): void;
}

/** What the daemon sends when the handler is started. */
export interface StartTimes {
  readonly openWaits: readonly OpenWait[];
  /** The daemon's time, in milliseconds since the epoch; undefined if it sends none. */
  readonly startedAt: number | undefined;
  /** When that arrived, on the monotonic clock: plain code and the wait for a slot count, too. */
  readonly arrivedAt: number;
}

export class WaitTimes {
  readonly #arrivedAt: number;
  readonly #startedAt: number | undefined;
  readonly #registered = new LazyMap<string, OpenWait>();

  readonly #port: WaitTimesPort;

  constructor(port: WaitTimesPort, { openWaits, startedAt, arrivedAt }: StartTimes) {
    this.#port = port;
    this.#arrivedAt = arrivedAt;
    this.#startedAt = startedAt;
    for (const wait of openWaits) this.#registered.set(wait.name, wait);
  }

  /** Whether the daemon knew the wait when the handler was started. */
  isRegistered(name: string): boolean {
    return this.#registered.has(name);
  }

  /** Milliseconds left of a wait that began in an earlier execution; undefined for a new one. */
  leftMs(name: string, awaited: AwaitedThing, operation: Operation | undefined): number | undefined {
    const leftMs = this.#registered.get(name)?.leftMs ?? this.#recordedMs(this.#labelOf(name, awaited, operation));
    return leftMs === undefined ? undefined : Math.max(0, leftMs - (this.#port.clock.monotonic() - this.#arrivedAt));
  }

  /**
   * What a note says was left when the handler was started. Both times come from the daemon's clock: a worker whose
   * clock is ahead must not end a wait early.
   */
  #recordedMs(label: string): number | undefined {
    const note = this.#port.find(label);
    if (note === undefined || this.#startedAt === undefined) return undefined;
    return Number(decodeValue(this.#port.functionName, label, note.value)) - (this.#startedAt - timeOf(note));
  }

  /** Records the time left of a wait for which the handler cannot park now. */
  keep(wait: DurableWait): void {
    const leftMs = wait.isSent || wait.isTimeKept ? null : wait.timeLeftMs();
    if (leftMs === null || leftMs < MIN_RECORDED_MS) return;
    wait.isTimeKept = true;
    const label = this.#labelOf(wait.name, wait.awaited, wait.operation);
    if (this.isRegistered(wait.name) || this.#port.find(label) !== undefined) return;
    this.#port.recordNote(label, encodeValue(this.#port.functionName, label, Math.ceil(leftMs)));
  }

  /** The timeout of a wait for a message belongs to one attempt; the next attempt waits for the whole timeout again. */
  #labelOf(name: string, { kind }: AwaitedThing, operation: Operation | undefined): string {
    const what = operation === undefined ? name : operation.id.toString(36);
    return boundedName(kind === "sleep_for" ? `due:${what}` : `due:${what}/${this.#port.failures}`);
  }
}
