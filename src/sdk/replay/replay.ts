/**
 * Matches what a handler asks for with the records of its job: the same operation finds the same record in every
 * execution, and records are delivered in the same order.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { type AttemptEnding, attemptEnding, type PlacedName } from "./attempt-ending.ts";
import { CheckpointJournal, type Placed, timeOf } from "./checkpoint-journal.ts";
import { KIND_NAMES } from "./checkpoint-names.ts";
import type { Delivery, RecordPlace } from "./delivery.ts";
import { GivenFailures } from "./given-failures.ts";
import { Identities } from "./identities.ts";
import { type Asked, Operation } from "./operation.ts";
import type { PendingPromises } from "./pending-promises.ts";
import { type Fresh, ReplayWatch } from "./replay-watch.ts";
import type { Branch } from "./scope.ts";
import { Sequence } from "./sequence.ts";

export interface ReplayOptions {
  readonly recorded: readonly Checkpoint[];
  /** Registered waits that are not over. */
  readonly openWaits: readonly OpenWait[];
  /** The job is from before the order of deliveries was recorded. */
  readonly isUnordered: boolean;
  /** For tests: without a recorded order, delivers records as they are asked for, like version 0.1. */
  readonly isTimeIgnored: boolean;
  /** The handler's context: only what is called inside it has a branch of its own. */
  readonly context: object;
  /** Called when all records were delivered. If it is set, nothing new begins: the handler is only replayed. */
  readonly onReplayed: (() => void) | undefined;
  readonly port: ReplayPort;
  readonly pending: PendingPromises;
}

/** What the replay needs from its execution. */
export interface ReplayPort {
  /** How long a replay may be stuck, in milliseconds. */
  patienceMs(): number;
  /** The records do not match the handler. */
  mismatch(message: string): void;
  /** The code has changed, and the replay continued. */
  recordDrift(name: string, message: string): void;
  warn(message: string): void;
}

/** Waits for what belongs to a record, such as the result of a job; undefined if there is nothing else. */
export type ArrivalOf = (record: Checkpoint) => Promise<unknown> | undefined;

export class Replay {
  readonly journal: CheckpointJournal;
  readonly failures = new GivenFailures();
  readonly sequence: Sequence;
  readonly identities: Identities;
  /** Whether anything is on record. */
  readonly #hasRecords: boolean;
  /** Created when a replay is held for the first time. */
  #watch: ReplayWatch | undefined;
  /** New operations that wait until all records are delivered. */
  readonly #fresh: Fresh[] = [];
  /** The code has changed since some record was made. */
  #hasDrifted = false;
  /** Operations that got their place in this execution. */
  readonly #placed: Operation[] = [];

  readonly #options: ReplayOptions;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.journal = new CheckpointJournal(options.recorded, options.openWaits, options.isUnordered);
    this.sequence = new Sequence(this.journal.sequence, this);
    this.#hasRecords = options.recorded.length + options.openWaits.length > 0;
    this.identities = new Identities(this.sequence, options.context, this.isOrdered, this.#hasRecords);
    if (this.sequence.isLive) this.onLive();
  }

  /** False if the job is from before the order was recorded: then names identify records. */
  get isOrdered(): boolean {
    return this.journal.isOrdered;
  }

  /** Records that the handler has not asked for and that were not passed over. */
  get notAskedFor(): readonly Placed[] {
    const { sequence } = this;
    const { left } = sequence;
    if (left.length === 0) return left;
    return left.filter((placed) => !sequence.isRequested(placed.op) && !sequence.isPassedOver(placed));
  }

  /**
   * Asks for an operation, in the caller's turn, before anything is awaited. The caller then reports `settled`.
   *
   * @param label fixed name of its record, regardless of its identity
   */
  ask(name: string, kind: CheckpointKind, label?: string): Operation {
    this.sequence.ask();
    const { branch, asked } = this.identities.begin(name, kind);
    if (label === undefined && this.isOrdered && !this.#hasRecords) {
      return new Operation(branch, asked, this.journal.takeName(name), undefined);
    }
    const record = label === undefined ? this.#claim(branch, asked) : this.#find(branch, label);
    if (record?.endedAttempt === true && record.seq === 0) {
      return new Operation(branch, asked, record.name, undefined);
    }
    const taken = label ?? record?.name ?? this.#labelOf(branch, asked);
    const known = record ?? (this.isOrdered ? undefined : this.journal.find(taken));
    const operation = new Operation(branch, asked, taken, known);
    if (known !== undefined && known.kind !== kind) this.#refuse(operation, known);
    return operation;
  }

  /** The result of an operation was delivered, or never will be. */
  readonly settled = (): void => this.sequence.settle();

  /**
   * Resolves with the record of the operation when its turn comes, or with undefined for a new operation when all
   * records have been delivered. Returns undefined instead of a promise if there is nothing to wait for. Not for loose
   * records.
   *
   * @param arrivalOf resolves when what belongs to the record has arrived, such as the result of a job
   */
  recorded(operation: Operation, arrivalOf?: ArrivalOf): Promise<Checkpoint | undefined> | undefined {
    const { record } = operation;
    if (operation.isStuck) return new Promise(() => {});
    if (record === undefined)
      return this.#isOpen ? undefined : this.#options.pending.make((go) => this.#whenOpen(operation, go, arrivalOf));
    return this.#options.pending.make((go) => {
      if (this.isOrdered) this.#request(operation.id, arrivalOf?.(record), () => go(record));
      else this.sequence.requestUnordered(this.#options.isTimeIgnored ? 0 : timeOf(record), () => go(record));
    });
  }

  /** Takes a place for what is recorded now. @param delivery how it is delivered to the handler */
  place(operation: Operation, delivery: Delivery): RecordPlace {
    const { id, label, asked } = operation;
    const { kind, isPrompt, relation } = asked;
    const isChained = CHAINED.has(kind) && this.sequence.isChained(asked, label);
    const { seq, asked: count, alone } = this.sequence.place();
    this.addPlaced(operation);
    this.sequence.expect(delivery);
    return { seq, asked: count, alone, prompt: isPrompt, beside: relation === "beside", op: isChained ? 0 : id };
  }

  addPlaced(operation: Operation): void {
    this.#placed.push(operation);
  }

  /** The delivered failures that ended the attempt, and what was delivered after them. */
  endingOf(thrown: unknown): AttemptEnding {
    const operations = this.isOrdered ? this.failures.behind(thrown) : [];
    return attemptEnding(operations, [...this.journal.sequence.map(nameOf), ...this.#placed.map(placedName)]);
  }

  stop(): void {
    this.#watch?.stop();
    this.sequence.stop();
    if (this.#fresh.length > 0) this.#fresh.length = 0;
  }

  #request(op: number, arrival: Promise<unknown> | undefined, give: () => void): void {
    const delivery = this.sequence.request(op, arrival === undefined, give);
    // The arrival rejects only when the handler is aborted.
    void arrival?.then(
      () => this.sequence.ready(delivery),
      () => {},
    );
  }

  /** Whether operations that are not on record may begin. */
  get #isOpen(): boolean {
    return this.#options.onReplayed === undefined && this.sequence.isLive;
  }

  #find(branch: Branch, label: string): Checkpoint | undefined {
    const record = this.journal.find(label);
    if (record !== undefined) this.identities.take(branch, this.journal.operationOf(record));
    return record;
  }

  /**
   * Takes the record of an operation. Loose records may be delivered in another order than before: what was asked for
   * beside a branch may now be asked for by the branch itself, or the reverse, and still keeps its identity.
   */
  #claim(branch: Branch, asked: Asked): Checkpoint | undefined {
    if (!this.isOrdered || !this.#hasRecords) return undefined;
    branch.asked = asked;
    const own = this.journal.claim(branch.id, asked.relation);
    if (own !== undefined || !this.journal.hasUnclaimed) return own;
    // If failed attempts are on record under its own identity, a record in another relation is another step.
    if (this.journal.triesOf(branch.id, undefined) !== undefined) return undefined;
    const other =
      this.journal.claimOther(asked) ??
      this.journal.claimUnder(
        asked,
        asked.behindOthers((op) => this.journal.isRecorded(op)),
      ) ??
      this.#claimMoved(asked);
    if (other === undefined) return undefined;
    this.identities.take(branch, this.journal.operationOf(other));
    return other;
  }

  /** In changed code, takes a record of this name that is no longer asked for where it was. */
  #claimMoved({ kind, name }: Asked): Checkpoint | undefined {
    if (!this.#hasDrifted) return undefined;
    const moved = this.sequence.passedOverAs(kind, name) ?? this.journal.looseAs(kind, name);
    return moved === undefined ? undefined : this.journal.claim(moved.op, moved.record.beside ? "beside" : "own");
  }

  /** An operation with only failed attempts on record keeps its name, and so does a wait that is not over. */
  #labelOf(branch: Branch, asked: Asked): string {
    const { journal } = this;
    const known = journal.takeNameOfTries(branch.id);
    if (known !== undefined) return known;
    const wait = journal.takeOpenWait(branch.id, asked, this.#hasDrifted);
    if (wait === undefined) return journal.takeName(asked.name);
    this.identities.take(branch, wait.op);
    return wait.name;
  }

  #refuse(operation: Operation, known: Checkpoint): void {
    operation.isStuck = true;
    const asked = `${KIND_NAMES[operation.asked.kind]} ${JSON.stringify(known.name)}`;
    this.#options.port.mismatch(`the handler asks for ${asked}, which was recorded as ${KIND_NAMES[known.kind]}`);
  }

  #whenOpen(
    operation: Operation,
    resolve: (record: Checkpoint | undefined) => void,
    arrivalOf: ArrivalOf | undefined,
  ): void {
    const go = (): void => {
      if (this.#options.onReplayed !== undefined) return;
      this.#drop(operation);
      resolve(undefined);
    };
    const adopt = (record: Checkpoint): void => this.#request(operation.id, arrivalOf?.(record), () => resolve(record));
    this.#fresh.push({ operation, go, adopt });
    this.sequence.whenLive(go);
  }

  #adopt({ operation, go, adopt }: Fresh, { record, op }: Placed): void {
    this.#drop(operation);
    this.sequence.forgetWhenLive(go);
    this.journal.claim(op, record.beside ? "beside" : "own");
    operation.branch.take(op);
    operation.label = record.name;
    operation.record = record;
    adopt(record);
  }

  #drop(operation: Operation): void {
    const index = this.#fresh.findIndex((fresh) => fresh.operation === operation);
    if (index >= 0) this.#fresh.splice(index, 1);
  }

  /** For its sequence: the next record cannot be delivered yet. */
  onHeld(head: Placed): void {
    const { port } = this.#options;
    this.#watch ??= new ReplayWatch({
      sequence: this.sequence,
      fresh: this.#fresh,
      isReplayOnly: this.#options.onReplayed !== undefined,
      patienceMs: () => port.patienceMs(),
      adopt: (fresh, placed) => this.#adopt(fresh, placed),
      refuse: ({ operation }, { record }) => this.#refuse(operation, record),
      recordDrift: (name, message) => {
        this.#hasDrifted = true;
        port.recordDrift(name, message);
      },
      warn: (message) => port.warn(message),
      mismatch: (message) => port.mismatch(message),
    });
    this.#watch.onHeld(head);
  }

  /** For its sequence: all records have been delivered. */
  onLive(): void {
    const { onReplayed } = this.#options;
    // After what the handler does with its last delivery.
    if (onReplayed !== undefined) setImmediate(() => setImmediate(onReplayed));
  }
}

/** Kinds whose records omit their identity if it follows from the record before. */
const CHAINED: ReadonlySet<CheckpointKind> = new Set([
  CheckpointKind.STEP,
  CheckpointKind.VALUE,
  CheckpointKind.CHOICE,
]);

function placedName({ label, id }: Operation): PlacedName {
  return { name: label, op: id };
}

function nameOf({ record: { name }, op }: Placed): PlacedName {
  return { name, op };
}
