/** What a job has recorded, by operation and by name; and the names that this execution of its handler has used. */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { type Relation, ROOT_ID, operationId } from "./branch.ts";
import type { Asked } from "./operation.ts";
import { boundedName, isLabelOf, jobLabel, nameOfLabel } from "./checkpoint-names.ts";
import { LazyMap } from "./lazy-map.ts";

/** Behind the name of a step, in the name of its attempts. */
const TRIES = /\/tries$/;

const NOTHING: readonly Placed[] = [];

/** A record with its place in the sequence of what the handler was given. */
export interface Placed {
  readonly record: Checkpoint;
  readonly op: number;
}

export class CheckpointJournal {
  /** False: the job is from before the order was kept, and so is what it records from now on. */
  readonly isOrdered: boolean;
  /** In the order in which the handler was given them. */
  readonly sequence: readonly Placed[];
  readonly #byName = new LazyMap<string, Checkpoint>();
  /** Those that nobody has asked for yet. */
  readonly #byOperation = new LazyMap<number, Checkpoint>();
  /** Of those in the sequence. */
  readonly #operations = new LazyMap<Checkpoint, number>();
  /** Waits that are registered and not over, and that nobody has asked for yet, by their operations. */
  readonly #open = new LazyMap<number, OpenWait>();
  /** Attempts of steps that failed, by the step's operation. */
  readonly #tries = new LazyMap<number, Checkpoint>();
  readonly #used = new Set<string>();
  readonly #uses = new LazyMap<string, number>();

  constructor(recorded: readonly Checkpoint[], open: readonly OpenWait[], isUnordered: boolean) {
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
    // Whoever comes first, a name stays with the step that was tried under it.
    for (const { name } of this.#tries.values()) this.#used.add(name.replace(TRIES, ""));
    for (const { name } of this.#open.values()) this.#used.add(name);
  }

  /** Recorded since, by this execution or by the daemon. */
  add(record: Checkpoint): void {
    this.#byName.set(record.name, record);
    if (record.kind === CheckpointKind.TRY && record.op !== undefined) this.#tries.set(record.op, record);
  }

  /** Whether the failure of that job ended an attempt of this one. */
  endedAttemptBy(jobId: string): boolean {
    return this.#byName.get(jobLabel(jobId))?.endedAttempt === true;
  }

  /** That job runs again: nothing is known of its end. */
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

  /** Something on record was not asked for yet. */
  get hasUnclaimed(): boolean {
    return this.#byOperation.size > 0;
  }

  /** What was recorded of an operation, once. @param relation in which it is asked for now */
  claim(op: number, relation: Relation): Checkpoint | undefined {
    return this.#take(op, (record) => isLooseOr(relation, record));
  }

  /** As `claim`, of what was recorded under the identity that it would have otherwise. */
  claimOther(asked: Asked): Checkpoint | undefined {
    const { name, kind, relation, isPrompt } = asked;
    if (!isPrompt || this.#byOperation.size === 0) return undefined;
    // Hashes of 31 bits may be alike by chance.
    const isAlike = (record: Checkpoint): boolean => record.kind === kind && isLabelOf(record.name, name);
    return this.#take(asked.otherId, (record) => record.prompt && isAlike(record) && isLooseOr(relation, record));
  }

  /** As `claim`, under one of these identities. */
  claimUnder({ kind, name }: Asked, ids: readonly number[]): Checkpoint | undefined {
    for (const id of ids) {
      const isAlike = (one: Checkpoint): boolean => one.kind === kind && isLabelOf(one.name, name);
      const record = this.#take(id, isAlike);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  /** Takes the name of a step that was tried and did not end yet. */
  takeNameOfTries(op: number): string | undefined {
    const label = this.#tries.get(op)?.name.replace(TRIES, "");
    if (label !== undefined) this.#used.add(label);
    return label;
  }

  /**
   * A wait that is registered goes on under its name, and so to its time; also one that was asked for in another relation,
   * as something plain took longer or shorter, and in changed code one of its kind and name.
   */
  takeOpenWait(op: number, asked: Asked, hasDrifted: boolean): OpenWait | undefined {
    if (this.#open.size === 0) return undefined;
    const isLike = ({ kind, name }: OpenWait): boolean => kind === asked.kind && isLabelOf(name, asked.name);
    const own = this.#open.get(op);
    const wait = own ?? find(this.#open.values(), (one) => isLike(one) && (hasDrifted || asked.isOther(one.op)));
    if (wait !== undefined) this.#open.delete(wait.op);
    return wait;
  }

  /** Without a place, of this kind and name, and not asked for yet. */
  looseAs(kind: CheckpointKind, name: string): Placed | undefined {
    for (const record of this.#byOperation.values()) {
      const { seq, op = 0 } = record;
      if (seq === 0 && record.kind === kind && isLabelOf(record.name, name)) return { record, op };
    }
    return undefined;
  }

  /** Attempts of a step that failed since it was last tried anew. */
  triesOf(op: number, step: Checkpoint | undefined): Checkpoint | undefined {
    const tries = this.#tries.get(op);
    if (tries === undefined || step?.endedAttempt !== true) return tries;
    return timeOf(tries) > timeOf(step) ? tries : undefined;
  }

  /**
   * A name for what is recorded from now on: its second use becomes `name#2`, and so on, whatever is on record. In a job
   * without an order the same uses find the same records, so that names decide.
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

  /** Steps and values that were recorded and that nobody asked for. */
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

/** What has no place may be asked for in another relation than before. */
function isLooseOr(relation: Relation, { seq, beside }: Checkpoint): boolean {
  return seq === 0 || beside === (relation === "beside");
}

/** The identity of a record that carries none follows from the one before it. */
function inSequence(recorded: readonly Checkpoint[]): readonly Placed[] {
  const placed = recorded.filter(({ seq }) => seq > 0).sort(byPlace);
  let before = ROOT_ID;
  return placed.map((record) => {
    const op = record.op === 0 ? operationId(before, record.kind, nameOfLabel(record.name), 1) : (record.op ?? 0);
    before = op;
    return { record, op };
  });
}

/** Waits that ended while the handler was parked share a place. */
export function byPlace(one: Checkpoint, other: Checkpoint): number {
  return one.seq - other.seq || timeOf(one) - timeOf(other) || (one.name < other.name ? -1 : 1);
}

/** Milliseconds. */
export function timeOf({ recordedAt }: Checkpoint): number {
  return recordedAt === undefined ? 0 : Number(recordedAt.seconds) * 1000 + Math.floor(recordedAt.nanos / 1e6);
}

function find<T>(items: Iterable<T>, fits: (item: T) => boolean): T | undefined {
  for (const item of items) if (fits(item)) return item;
  return undefined;
}
