/** The records of a job, by operation and by name, and the names that this execution has used. */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { boundedName, isLabelOf, jobLabel, nameOfLabel } from "./checkpoint-names.ts";
import { LazyMap } from "./lazy-map.ts";
import type { Asked } from "./operation.ts";
import { operationId, type Relation, ROOT_ID } from "./scope.ts";

/** Suffix of a step's name in the name of the record of its attempts. */
const TRIES = /\/tries$/;

const NOTHING: readonly Placed[] = [];

/** A record in the sequence of deliveries, with the identity of its operation. */
export interface Placed {
  readonly record: Checkpoint;
  readonly op: number;
}

export class CheckpointJournal {
  /** False if the job is from before the order was recorded; then its new records have no order either. */
  readonly isOrdered: boolean;
  /** Records in the order in which they were delivered. */
  readonly sequence: readonly Placed[];
  readonly #byName = new LazyMap<string, Checkpoint>();
  /** Records that were not asked for yet. */
  readonly #byOperation = new LazyMap<number, Checkpoint>();
  readonly #recorded: readonly Checkpoint[];
  /** Identities of all records; made when it is first needed. */
  #recordedOps: ReadonlySet<number> | undefined;
  /** Identities of the records in the sequence. */
  readonly #operations = new LazyMap<Checkpoint, number>();
  /** Registered waits that are not over and were not asked for yet, by operation. */
  readonly #open = new LazyMap<number, OpenWait>();
  /** Records of failed attempts of steps and waits, by operation. */
  readonly #tries = new LazyMap<number, Checkpoint>();
  readonly #used = new Set<string>();
  readonly #uses = new LazyMap<string, number>();

  constructor(recorded: readonly Checkpoint[], open: readonly OpenWait[], isUnordered: boolean) {
    this.#recorded = recorded;
    this.isOrdered = !isUnordered && recorded.every((record) => record.op !== undefined);
    this.sequence = this.isOrdered && recorded.length > 0 ? inSequence(recorded) : NOTHING;
    if (recorded.length + open.length > 0) this.#fill(recorded, open);
  }

  #fill(recorded: readonly Checkpoint[], open: readonly OpenWait[]): void {
    if (this.isOrdered) for (const wait of open) if (wait.op !== 0) this.#open.set(wait.op, wait);
    for (const record of recorded) this.#byName.set(record.name, record);
    for (const { record, op } of this.sequence) {
      this.#byOperation.set(op, record);
      this.#operations.set(record, op);
    }
    for (const record of recorded) this.#index(record);
    // A name stays with the step that was tried under it, whichever step asks first.
    for (const { name } of this.#tries.values()) this.#used.add(name.replace(TRIES, ""));
    for (const { name } of this.#open.values()) this.#used.add(name);
  }

  /** Adds a record made since the start, by this execution or by the daemon. */
  add(record: Checkpoint): void {
    this.#byName.set(record.name, record);
    if (record.kind === CheckpointKind.TRY && record.op !== undefined) this.#tries.set(record.op, record);
  }

  /** Whether the failure of that job ended an attempt of this one. */
  endedAttemptBy(jobId: string): boolean {
    return this.#byName.get(jobLabel(jobId))?.endedAttempt === true;
  }

  /** Forgets the end of a job that runs again. */
  forgetEnd(jobId: string): void {
    this.#byName.delete(jobLabel(jobId));
  }

  find(label: string): Checkpoint | undefined {
    return this.#byName.get(label);
  }

  /** Identity of the operation that a record belongs to; undefined for one that belongs to none. */
  operationOf(record: Checkpoint): number | undefined {
    return this.#operations.get(record) ?? (record.op === 0 ? undefined : record.op);
  }

  /** Whether the result of this operation is on record, whether or not it was asked for. */
  isRecorded(op: number): boolean {
    this.#recordedOps ??= new Set([
      ...this.sequence.map((placed) => placed.op),
      ...this.#recorded.filter(isLoose).map((record) => record.op ?? 0),
    ]);
    return this.#recordedOps.has(op);
  }

  /** Whether something on record was not asked for yet. */
  get hasUnclaimed(): boolean {
    return this.#byOperation.size > 0;
  }

  /** Takes the record of an operation, once. @param relation in which it is asked for now */
  claim(op: number, relation: Relation): Checkpoint | undefined {
    return this.#take(op, (record) => isLooseOr(relation, record));
  }

  /** Like `claim`, for a record under the identity that the operation has in the other relation. */
  claimOther(asked: Asked): Checkpoint | undefined {
    const { name, kind, relation, isPrompt } = asked;
    if (!isPrompt || this.#byOperation.size === 0) return undefined;
    // Hashes of 31 bits may collide.
    const isAlike = (record: Checkpoint): boolean => record.kind === kind && isLabelOf(record.name, name);
    return this.#take(asked.otherId, (record) => record.prompt && isAlike(record) && isLooseOr(relation, record));
  }

  /** Like `claim`, for a record under one of these identities. */
  claimUnder({ kind, name }: Asked, ids: readonly number[]): Checkpoint | undefined {
    for (const id of ids) {
      const isAlike = (one: Checkpoint): boolean => one.kind === kind && isLabelOf(one.name, name);
      const record = this.#take(id, isAlike);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  /** Takes the name of a step or wait that was tried and has not ended yet. */
  takeNameOfTries(op: number): string | undefined {
    const label = this.#tries.get(op)?.name.replace(TRIES, "");
    if (label === undefined) return undefined;
    this.#used.add(label);
    this.#open.delete(op);
    return label;
  }

  /**
   * Takes the registered wait of an operation, which keeps its name and so its end. Also finds one that was asked for
   * in another relation because plain code took longer or shorter, and in changed code one of the same kind and name.
   */
  takeOpenWait(op: number, asked: Asked, hasDrifted: boolean): OpenWait | undefined {
    if (this.#open.size === 0) return undefined;
    const isLike = ({ kind, name }: OpenWait): boolean => kind === asked.kind && isLabelOf(name, asked.name);
    const own = this.#open.get(op);
    const wait = own ?? find(this.#open.values(), (one) => isLike(one) && (hasDrifted || asked.isOther(one.op)));
    if (wait !== undefined) this.#open.delete(wait.op);
    return wait;
  }

  /** Finds a loose record of this kind and name that was not asked for yet. */
  looseAs(kind: CheckpointKind, name: string): Placed | undefined {
    for (const record of this.#byOperation.values()) {
      const { seq, op = 0 } = record;
      if (seq === 0 && record.kind === kind && isLabelOf(record.name, name)) return { record, op };
    }
    return undefined;
  }

  /** The record of a step's failed attempts since it last started over. */
  triesOf(op: number, step: Checkpoint | undefined): Checkpoint | undefined {
    const tries = this.#tries.get(op);
    if (tries === undefined || step?.endedAttempt !== true) return tries;
    return timeOf(tries) > timeOf(step) ? tries : undefined;
  }

  /**
   * Takes a name for a new record: the second use becomes `name#2`, and so on, avoiding names on record. In a job
   * without a recorded order names identify records, so the nth use finds the nth record.
   */
  takeName(name: string): string {
    const first = boundedName(name);
    if (this.#isFree(first)) {
      this.#used.add(first);
      return first;
    }
    for (let use = this.#uses.get(name) ?? 2; ; use++) {
      const label = boundedName(`${name}#${use}`);
      if (!this.#isFree(label)) continue;
      this.#uses.set(name, use + 1);
      this.#used.add(label);
      return label;
    }
  }

  #isFree(label: string): boolean {
    return !this.#used.has(label) && !(this.isOrdered && this.#byName.has(label));
  }

  /** Names of recorded steps and values that were not asked for. */
  get notAskedFor(): readonly string[] {
    const kinds: readonly CheckpointKind[] = [CheckpointKind.STEP, CheckpointKind.VALUE];
    const records = this.isOrdered
      ? [...this.#byOperation.values()]
      : [...this.#byName.values()].filter(({ name }) => !this.#used.has(name));
    return records.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
  }

  #take(op: number, fits: (record: Checkpoint) => boolean): Checkpoint | undefined {
    const record = this.#byOperation.get(op);
    if (record === undefined || !fits(record)) return undefined;
    this.#byOperation.delete(op);
    return record;
  }

  #index(record: Checkpoint): void {
    const { op, seq, kind } = record;
    if (op === undefined || op === 0 || kind === CheckpointKind.NOTE) return;
    if (kind === CheckpointKind.TRY) this.#tries.set(op, record);
    else if (seq === 0) this.#byOperation.set(op, record);
  }
}

/** Whether it is an operation's record without a place in the sequence. */
function isLoose({ seq, kind }: Checkpoint): boolean {
  return seq === 0 && kind !== CheckpointKind.TRY && kind !== CheckpointKind.NOTE;
}

/** A loose record may be asked for in another relation than before. */
function isLooseOr(relation: Relation, { seq, beside }: Checkpoint): boolean {
  return seq === 0 || beside === (relation === "beside");
}

/** Sorts the placed records. The identity of one that carries none follows from the record before it. */
function inSequence(recorded: readonly Checkpoint[]): readonly Placed[] {
  const placed = recorded.filter(({ seq }) => seq > 0).sort(byPlace);
  let before = ROOT_ID;
  return placed.map((record) => {
    const op = record.op === 0 ? operationId(before, record.kind, nameOfLabel(record.name), 1) : (record.op ?? 0);
    before = op;
    return { record, op };
  });
}

/** Compares by place, then by time and name: waits that ended while the handler was parked share a place. */
export function byPlace(one: Checkpoint, other: Checkpoint): number {
  return one.seq - other.seq || timeOf(one) - timeOf(other) || (one.name < other.name ? -1 : 1);
}

/** Time of a record, in milliseconds since the epoch. */
export function timeOf({ recordedAt }: Checkpoint): number {
  return recordedAt === undefined ? 0 : msOf(recordedAt);
}

/** Milliseconds since the epoch. */
export function msOf({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(seconds) * 1000 + Math.floor(nanos / 1e6);
}

function find<T>(items: Iterable<T>, fits: (item: T) => boolean): T | undefined {
  for (const item of items) if (fits(item)) return item;
  return undefined;
}
