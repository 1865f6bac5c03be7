/**
 * When the time of a wait is over, in every execution. The daemon is told of waits when the handler parks, and counts from
 * then; a wait that begins beside a running step has its end noted, so that no restart makes it longer.
 */
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import type { Operation } from "../replay/operation.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import type { Awaited as AwaitedThing, DurableWait } from "./durable-wait.ts";
import type { HandlerClock } from "./rehearsal.ts";

/** A shorter wait is not worth a record: a restart takes longer. */
const MIN_NOTED_MS = 200;

export interface WaitTimesPort {
  readonly clock: HandlerClock;
  readonly functionName: string;
  /** Attempts of the job that have failed. */
  readonly failures: number;
  /** When the handler was started. */
  readonly openWaits: readonly OpenWait[];
  find(label: string): Checkpoint | undefined;
  /** Nobody waits for it. */
  note(label: string, value: Uint8Array): void;
}

export class WaitTimes {
  readonly #startedAt: number;
  #open: Map<string, OpenWait> | undefined;

  constructor(private readonly port: WaitTimesPort) {
    this.#startedAt = port.clock.monotonic();
  }

  /** Milliseconds that are left of a wait that began in an earlier execution; undefined for a new one. */
  leftMs(name: string, awaited: AwaitedThing, operation: Operation | undefined): number | undefined {
    const { clock, functionName } = this.port;
    const known = this.#registered(name)?.leftMs;
    if (known !== undefined) return Math.max(0, known - (clock.monotonic() - this.#startedAt));
    const label = this.#labelOf(name, awaited, operation);
    const note = this.port.find(label);
    return note === undefined
      ? undefined
      : Math.max(0, Number(decodeValue(functionName, label, note.value)) - clock.now());
  }

  /** The handler cannot park for it now. */
  keep(wait: DurableWait): void {
    const leftMs = wait.isTold || wait.isTimeKept ? null : wait.timeLeftMs();
    if (leftMs === null || leftMs < MIN_NOTED_MS) return;
    wait.isTimeKept = true;
    const { clock, functionName } = this.port;
    const label = this.#labelOf(wait.name, wait.awaited, wait.operation);
    if (this.#registered(wait.name) !== undefined || this.port.find(label) !== undefined) return;
    this.port.note(label, encodeValue(functionName, label, Math.ceil(clock.now() + leftMs)));
  }

  #registered(name: string): OpenWait | undefined {
    const { openWaits } = this.port;
    if (openWaits.length === 0) return undefined;
    this.#open ??= new Map(openWaits.map((wait) => [wait.name, wait]));
    return this.#open.get(name);
  }

  /** The time of a wait for a message is over in one attempt, and the next one waits the whole time. */
  #labelOf(name: string, { kind }: AwaitedThing, operation: Operation | undefined): string {
    const what = operation === undefined ? name : operation.id.toString(36);
    return boundedName(kind === "sleep_for" ? `due:${what}` : `due:${what}/${this.port.failures}`);
  }
}
