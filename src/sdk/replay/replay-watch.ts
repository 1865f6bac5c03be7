/**
 * Watches a replay that does not come on: the next on record is not asked for, while the handler waits for something
 * else. Where nothing but that one was outstanding when it was recorded, the code has a step more or less now: the replay
 * goes on and that is noted. Otherwise nobody can tell what belongs together any more, and the replay ends.
 */
import type { Placed } from "./checkpoint-journal.ts";
import { operationsIn } from "./asked-count.ts";
import { isLabelOf, KIND_NAMES } from "./checkpoint-names.ts";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Operation } from "./operation.ts";
import type { Sequence } from "./sequence.ts";

/** Something new that waits until the record is through. */
export interface Fresh {
  readonly operation: Operation;
  /** It begins. */
  readonly go: () => void;
  /** It is on record after all. */
  readonly adopt: (record: Checkpoint) => void;
}

export interface ReplayWatchPort {
  readonly sequence: Sequence;
  /** In the order in which they were asked for. */
  readonly fresh: readonly Fresh[];
  /** The handler is replayed, and no more: nothing new begins. */
  readonly isReplayOnly: boolean;
  /** Milliseconds that a replay may stand still. */
  readonly patienceMs: () => number;
  /** Takes the record for the operation. */
  adopt(fresh: Fresh, placed: Placed): void;
  /** The record is what the operation would be, were it of another kind: the replay ends here. */
  refuse(fresh: Fresh, placed: Placed): void;
  /** The replay went on although the code has changed. */
  recordDrift(name: string, message: string): void;
  warn(message: string): void;
  /** The replay ends here. */
  mismatch(message: string): void;
}

/** What is asked for in the turn in which the handler was given something is there at once, unless the code has changed. */
const PROMPT_MS = 100;
const OTHER_MS = 1_000;
/**
 * What nobody may ever send: a wait under another name looks like a new wait, and a handler that parked on it would hold the
 * job although what it waited for is on record.
 */
const MAY_NEVER_END: ReadonlySet<CheckpointKind> = new Set([
  CheckpointKind.EVENT,
  CheckpointKind.SIGNAL,
  CheckpointKind.CHOICE,
]);
/** A replay that stands still for longer is logged. */
const WARN_MS = 5_000;
/** Named in a message. */
const MOST_NAMES = 5;

export class ReplayWatch {
  #held: { readonly head: Placed; readonly since: number } | undefined;
  /** Of what holds it now, as far as was looked at. */
  #heldMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasWarned = false;
  /** Milliseconds for which it stood still before what holds it now: a time limit is one for all of them. */
  #spentMs = 0;

  constructor(private readonly port: ReplayWatchPort) {}

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
    const { sequence } = this.port;
    const patienceMs = this.port.patienceMs();
    const held = this.#held;
    if (held === undefined || sequence.head !== held.head) return;
    const elapsed = performance.now() - held.since;
    this.#heldMs = elapsed;
    this.#timer = setTimeout(this.#check, Math.min(1_000, Math.max(PROMPT_MS, patienceMs / 10)));
    // A handler that waits for nothing durable is at work: its time limit is the limit.
    if (sequence.outstanding === 0) return;
    // What it asks for behind a call comes when the daemon has answered, which may take its time.
    if (sequence.isAwaitingAnswer) {
      this.#held = { head: held.head, since: performance.now() };
      return;
    }
    if (this.#isAnswered(held.head, elapsed)) return;
    if (this.#isOther(held.head, elapsed) || this.#isOtherKind(held.head, elapsed)) return;
    if (this.#isDrift(held.head, elapsed) && this.#drift(held.head)) return;
    if (this.#spentMs + elapsed >= patienceMs) return this.port.mismatch(this.#describe(held.head));
    if (elapsed >= WARN_MS && !this.#hasWarned) {
      this.#hasWarned = true;
      this.port.warn(`the replay stands still: ${this.#describe(held.head)}`);
    }
  };

  /** Code that calls more than before waits for the answer. */
  #isAnswered({ record }: Placed, elapsed: number): boolean {
    return elapsed >= (record.prompt ? PROMPT_MS : OTHER_MS) && this.port.sequence.answerAnyway();
  }

  /** What the handler asks for was asked for in another turn by chance, when something took longer or shorter. */
  #isOther(head: Placed, elapsed: number): boolean {
    if (elapsed < (head.record.prompt ? PROMPT_MS : OTHER_MS)) return false;
    const other = this.port.fresh.find(
      ({ operation: { asked, kind, name } }) =>
        asked.isOther(head.op) && kind === head.record.kind && isLabelOf(head.record.name, name),
    );
    if (other !== undefined) this.port.adopt(other, head);
    return other !== undefined;
  }

  /** The name means something else in changed code. */
  #isOtherKind(head: Placed, elapsed: number): boolean {
    const { kind, prompt } = head.record;
    if (elapsed < (prompt ? PROMPT_MS : OTHER_MS)) return false;
    const other = this.port.fresh.find(({ operation }) => operation.asked.idAs(kind) === head.op);
    if (other !== undefined) this.port.refuse(other, head);
    return other !== undefined;
  }

  #isDrift({ record, op }: Placed, elapsed: number): boolean {
    if (!record.alone || this.port.sequence.isRequested(op)) return false;
    return elapsed >= (record.prompt ? PROMPT_MS : this.port.patienceMs() / 2);
  }

  /** False when it cannot be told what the handler waits for instead. */
  #drift(head: Placed): boolean {
    return this.#adopt(head) || this.#bringForward(head) || this.#begin(head);
  }

  /** A record of this name and kind: something was removed or added before it. */
  #adopt(head: Placed): boolean {
    const { sequence, fresh } = this.port;
    for (const placed of sequence.left) {
      if (!placed.record.alone) return false;
      const { name, kind } = placed.record;
      const match = fresh.find(({ operation }) => operation.kind === kind && isLabelOf(name, operation.name));
      if (match === undefined || sequence.isRequested(placed.op)) continue;
      this.#passOverUntil(placed, head);
      this.port.adopt(match, placed);
      return true;
    }
    return false;
  }

  /** Something that was recorded behind it: added, or put before it, in changed code. */
  #bringForward(head: Placed): boolean {
    const { sequence } = this.port;
    const requested = sequence.left.find((placed) => sequence.isRequested(placed.op));
    if (requested === undefined) return false;
    this.#passOver(head);
    sequence.bringForward(requested);
    return true;
  }

  #begin(head: Placed): boolean {
    const [first] = this.port.fresh;
    if (first === undefined || this.port.isReplayOnly || MAY_NEVER_END.has(first.operation.kind)) return false;
    const { name } = first.operation;
    this.port.recordDrift(
      name,
      `${JSON.stringify(name)} is new: the handler asked for it before ${said(head)}, which is on record`,
    );
    this.port.sequence.begin(first.go);
    return true;
  }

  #passOverUntil(placed: Placed, head: Placed): void {
    if (placed === head) return;
    for (const other of this.port.sequence.left) {
      if (other === placed) return;
      this.#passOver(other);
    }
  }

  #passOver(placed: Placed): void {
    const { sequence } = this.port;
    if (sequence.isPassedOver(placed)) return;
    sequence.passOver(placed);
    this.port.recordDrift(
      placed.record.name,
      `${said(placed)} is on record, but the handler did not ask for it where it did before`,
    );
  }

  #describe(head: Placed): string {
    const { sequence, fresh } = this.port;
    const { record } = head;
    if (sequence.isRequested(head.op)) {
      return (
        `${said(head)} was given to the handler when it had asked for ${operationsIn(record.asked)} things, ` +
        `and it has asked for ${sequence.asked} now`
      );
    }
    const names = fresh
      .slice(0, MOST_NAMES)
      .map(({ operation: { kind, name } }) => `${KIND_NAMES[kind]} ${JSON.stringify(name)}`);
    const instead = names.length === 0 ? "waits for what is recorded behind it" : `asks for ${names.join(", ")}`;
    return `${said(head)} comes next on record, but the handler ${instead}`;
  }
}

function said({ record }: Placed): string {
  return `${KIND_NAMES[record.kind]} ${JSON.stringify(record.name)}`;
}
