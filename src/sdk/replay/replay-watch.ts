/**
 * Watches a replay that is stuck: the handler does not ask for the next record while it waits for something else. If
 * nothing else was outstanding when that was recorded, the code must have gained or lost an operation: the replay
 * continues, and the drift is recorded. Otherwise records and operations cannot be matched any more, and the replay
 * ends with a mismatch.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { operationsIn } from "./asked-count.ts";
import type { Placed } from "./checkpoint-journal.ts";
import { isLabelOf, KIND_NAMES } from "./checkpoint-names.ts";
import type { Operation } from "./operation.ts";
import type { Sequence } from "./sequence.ts";

/** A new operation that waits until all records are delivered. */
export interface Fresh {
  readonly operation: Operation;
  /** Begins the operation. */
  readonly go: () => void;
  /** Resolves it with a record that was found after all. */
  readonly adopt: (record: Checkpoint) => void;
}

export interface ReplayWatchPort {
  readonly sequence: Sequence;
  /** New operations, in the order in which they were asked for. */
  readonly fresh: readonly Fresh[];
  /** The handler is only replayed: nothing new begins. */
  readonly isReplayOnly: boolean;
  /** How long a replay may be stuck, in milliseconds. */
  readonly patienceMs: () => number;
  /** Matches the record with the operation. */
  adopt(fresh: Fresh, placed: Placed): void;
  /** The record has the identity of the operation but another kind: the replay ends here. */
  refuse(fresh: Fresh, placed: Placed): void;
  /** The code has changed, and the replay continued. */
  recordDrift(name: string, message: string): void;
  warn(message: string): void;
  /** The replay ends here: the records do not match. */
  mismatch(message: string): void;
}

/** Operations asked for promptly come at once unless the code has changed, so this wait is short. */
const PROMPT_MS = 100;
const OTHER_MS = 1_000;
/**
 * Waits that may never end. A renamed wait looks like a new one: a handler that parked on it could block the job
 * forever although its result is recorded under the old name.
 */
const MAY_NEVER_END: ReadonlySet<CheckpointKind> = new Set([
  CheckpointKind.EVENT,
  CheckpointKind.SIGNAL,
  CheckpointKind.CHOICE,
]);
/** A replay that is stuck for longer is logged. */
const WARN_MS = 5_000;
/** Number of names in a message. */
const MOST_NAMES = 5;

export class ReplayWatch {
  #held: { readonly head: Placed; readonly since: number } | undefined;
  /** How long the current record has held the replay, at the last check. */
  #heldMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasWarned = false;
  /** Milliseconds for which earlier records held the replay: they all count against one limit. */
  #spentMs = 0;

  readonly #port: ReplayWatchPort;

  constructor(port: ReplayWatchPort) {
    this.#port = port;
  }

  onHeld(head: Placed): void {
    const now = performance.now();
    if (this.#held?.head !== head) {
      if (this.#held !== undefined) this.#spentMs += this.#heldMs;
      this.#held = { head, since: now };
      this.#heldMs = 0;
    }
    this.#timer ??= setTimeout(this.#check, PROMPT_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = undefined;
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    const { sequence } = this.#port;
    const patienceMs = this.#port.patienceMs();
    const held = this.#held;
    if (held === undefined || sequence.head !== held.head) return;
    const elapsed = performance.now() - held.since;
    this.#heldMs = elapsed;
    this.#timer = setTimeout(this.#check, untilNextCheck(elapsed, patienceMs));
    // A handler that waits for nothing durable is running: only its time limit applies.
    if (sequence.outstanding === 0) return;
    // What it asks for after a call comes once the daemon has answered, which may take a while.
    if (sequence.isAwaitingAnswer) {
      this.#held = { head: held.head, since: performance.now() };
      return;
    }
    if (this.#isAnswered(held.head, elapsed)) return;
    if (this.#isOther(held.head, elapsed) || this.#isOtherKind(held.head, elapsed)) return;
    if (this.#isDrift(held.head, elapsed) && this.#drift(held.head)) return;
    if (this.#spentMs + elapsed >= patienceMs) return this.#port.mismatch(this.#describe(held.head));
    if (elapsed >= WARN_MS && !this.#hasWarned) {
      this.#hasWarned = true;
      this.#port.warn(`the replay is stuck: ${this.#describe(held.head)}`);
    }
  };

  /** Changed code that makes more calls than before may be waiting for an answer. */
  #isAnswered({ record }: Placed, elapsed: number): boolean {
    return elapsed >= (record.prompt ? PROMPT_MS : OTHER_MS) && this.#port.sequence.answerAnyway();
  }

  /** The operation was asked for in another turn before, because something took longer or shorter by chance. */
  #isOther(head: Placed, elapsed: number): boolean {
    if (elapsed < (head.record.prompt ? PROMPT_MS : OTHER_MS)) return false;
    const other = this.#port.fresh.find(
      ({ operation: { asked, kind, name } }) =>
        asked.isOther(head.op) && kind === head.record.kind && isLabelOf(head.record.name, name),
    );
    if (other !== undefined) this.#port.adopt(other, head);
    return other !== undefined;
  }

  /** Changed code uses the name for another kind of operation. */
  #isOtherKind(head: Placed, elapsed: number): boolean {
    const { kind, prompt } = head.record;
    if (elapsed < (prompt ? PROMPT_MS : OTHER_MS)) return false;
    const other = this.#port.fresh.find(({ operation }) => operation.asked.idAs(kind) === head.op);
    if (other !== undefined) this.#port.refuse(other, head);
    return other !== undefined;
  }

  #isDrift({ record, op }: Placed, elapsed: number): boolean {
    if (!record.alone || this.#port.sequence.isRequested(op)) return false;
    return elapsed >= (record.prompt ? PROMPT_MS : this.#port.patienceMs() / 2);
  }

  /** False when it is unclear what the handler waits for instead. */
  #drift(head: Placed): boolean {
    return this.#adopt(head) || this.#bringForward(head) || this.#begin(head);
  }

  /** Matches a later record of the same name and kind: something before it was removed or added. */
  #adopt(head: Placed): boolean {
    const { sequence, fresh } = this.#port;
    for (const placed of sequence.left) {
      if (!placed.record.alone) return false;
      const { name, kind } = placed.record;
      const match = fresh.find(({ operation }) => operation.kind === kind && isLabelOf(name, operation.name));
      if (match === undefined || sequence.isRequested(placed.op)) continue;
      this.#passOverUntil(placed, head);
      this.#port.adopt(match, placed);
      return true;
    }
    return false;
  }

  /** Delivers a later record first: changed code asks for it earlier. */
  #bringForward(head: Placed): boolean {
    const { sequence } = this.#port;
    const requested = sequence.left.find((placed) => sequence.isRequested(placed.op));
    if (requested === undefined) return false;
    this.#passOver(head);
    sequence.bringForward(requested);
    return true;
  }

  #begin(head: Placed): boolean {
    const [first] = this.#port.fresh;
    if (first === undefined || this.#port.isReplayOnly || MAY_NEVER_END.has(first.operation.kind)) return false;
    const { name } = first.operation;
    this.#port.recordDrift(
      name,
      `${JSON.stringify(name)} is new: the handler asked for it before ${describe(head)}, which was recorded`,
    );
    this.#port.sequence.begin(first.go);
    return true;
  }

  #passOverUntil(placed: Placed, head: Placed): void {
    if (placed === head) return;
    for (const other of this.#port.sequence.left) {
      if (other === placed) return;
      this.#passOver(other);
    }
  }

  #passOver(placed: Placed): void {
    const { sequence } = this.#port;
    if (sequence.isPassedOver(placed)) return;
    sequence.passOver(placed);
    this.#port.recordDrift(
      placed.record.name,
      `${describe(placed)} was recorded, but the handler no longer asks for it at that point`,
    );
  }

  #describe(head: Placed): string {
    const { sequence, fresh } = this.#port;
    const { record } = head;
    if (sequence.isRequested(head.op)) {
      return (
        `${describe(head)} was delivered after the handler had asked for ${operationsIn(record.asked)} operations, ` +
        `and now it has asked for ${sequence.asked}`
      );
    }
    const names = fresh
      .slice(0, MOST_NAMES)
      .map(({ operation: { kind, name } }) => `${KIND_NAMES[kind]} ${JSON.stringify(name)}`);
    const instead = names.length === 0 ? "waits for what was recorded after it" : `asks for ${names.join(", ")}`;
    return `${describe(head)} is the next record, but the handler ${instead}`;
  }
}

function describe({ record }: Placed): string {
  return `${KIND_NAMES[record.kind]} ${JSON.stringify(record.name)}`;
}

/**
 * Something may be due at both limits, counted from when the record began to hold the replay: the timer may have been
 * set for an earlier record.
 */
function untilNextCheck(elapsedMs: number, patienceMs: number): number {
  const limit = [PROMPT_MS, OTHER_MS].find((ms) => elapsedMs < ms);
  const interval = Math.min(1_000, Math.max(PROMPT_MS, patienceMs / 10));
  return limit === undefined ? interval : Math.min(Math.ceil(limit - elapsedMs), interval);
}
