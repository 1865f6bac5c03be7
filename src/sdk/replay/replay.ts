/**
 * What a handler asks for, held against what is on record of its job: the same operation finds the same record in every
 * execution, and is given it in the same order.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Branch } from "./branch.ts";
import { type AttemptEnding, attemptEnding, type PlacedName } from "./attempt-ending.ts";
import { CheckpointJournal, type Placed, timeOf } from "./checkpoint-journal.ts";
import { KIND_NAMES } from "./checkpoint-names.ts";
import { GivenFailures } from "./given-failures.ts";
import { Identities } from "./identities.ts";
import type { PendingPromises } from "./pending-promises.ts";
import { type Asked, Operation } from "./operation.ts";
import { type Fresh, ReplayWatch } from "./replay-watch.ts";
import type { Delivery, RecordPlace } from "./delivery.ts";
import { Sequence } from "./sequence.ts";

export interface ReplayOptions {
  readonly recorded: readonly Checkpoint[];
  /** Waits that are registered and not over. */
  readonly openWaits: readonly OpenWait[];
  /** The job is from before the order was kept. */
  readonly isUnordered: boolean;
  /** In a test: without an order, what is on record is given as it is asked for, as version 0.1 did. */
  readonly isTimeIgnored: boolean;
  /** The handler's context: only what is called inside it has a branch of its own. */
  readonly context: object;
  /** Called when everything on record was given, and then nothing new begins: the handler is replayed, and no more. */
  readonly onReplayed: (() => void) | undefined;
  readonly port: ReplayPort;
  readonly pending: PendingPromises;
}

/** The execution, as its replay sees it. */
export interface ReplayPort {
  /** Milliseconds that a replay may stand still. */
  patienceMs(): number;
  /** What is on record does not fit. */
  mismatch(message: string): void;
  /** The code has changed, and the replay went on. */
  recordDrift(name: string, message: string): void;
  warn(message: string): void;
}

/** Undefined where nothing but the record belongs to it. */
export type ArrivalOf = (record: Checkpoint) => Promise<unknown> | undefined;

export class Replay {
  readonly journal: CheckpointJournal;
  readonly failures = new GivenFailures();
  readonly sequence: Sequence;
  readonly identities: Identities;
  /** Something may be found again. */
  private readonly hasRecords: boolean;
  /** Made when a replay is held for the first time. */
  #watch: ReplayWatch | undefined;
  /** New, and waits until the record is through. */
  readonly #fresh: Fresh[] = [];
  /** The code has changed since something on record was recorded. */
  #hasDrifted = false;
  /** Got a place in this execution. */
  readonly #placed: Operation[] = [];

  constructor(private readonly options: ReplayOptions) {
    this.journal = new CheckpointJournal(options.recorded, options.openWaits, options.isUnordered);
    this.sequence = new Sequence(this.journal.sequence, this);
    this.hasRecords = options.recorded.length + options.openWaits.length > 0;
    this.identities = new Identities(this.sequence, options.context, this.isOrdered, this.hasRecords);
    if (this.sequence.isLive) this.onLive();
  }

  /** False: the job is from before the order was kept, and names decide. */
  get isOrdered(): boolean {
    return this.journal.isOrdered;
  }

  /** On record, and the handler has not asked for them, which nobody has noted yet. */
  get notAskedFor(): readonly Placed[] {
    const { sequence } = this;
    const { left } = sequence;
    if (left.length === 0) return left;
    return left.filter((placed) => !sequence.isRequested(placed.op) && !sequence.isPassedOver(placed));
  }

  /**
   * The handler asks for something. To be called before anything is awaited. Ends with `settled`.
   *
   * @param label under which it is recorded whatever its identity is
   */
  ask(name: string, kind: CheckpointKind, label?: string): Operation {
    this.sequence.ask();
    const { branch, asked } = this.identities.begin(name, kind);
    if (label === undefined && this.isOrdered && !this.hasRecords) {
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

  /** The handler was given what came of an operation, or never will be. */
  readonly settled = (): void => this.sequence.settle();

  /**
   * What is on record of the operation, when it is its turn; undefined for something new, when the record is through.
   * Undefined instead of a promise where nothing has to be waited for. Not for one whose record has no place yet.
   *
   * @param arrivalOf ends when what belongs to the record is here, such as the result of a job
   */
  recorded(operation: Operation, arrivalOf?: ArrivalOf): Promise<Checkpoint | undefined> | undefined {
    const { record } = operation;
    if (operation.isStuck) return new Promise(() => {});
    if (record === undefined)
      return this.#isOpen ? undefined : this.options.pending.make((go) => this.#whenOpen(operation, go, arrivalOf));
    return this.options.pending.make((go) => {
      if (this.isOrdered) this.#request(operation.id, arrivalOf?.(record), () => go(record));
      else this.sequence.requestUnordered(this.options.isTimeIgnored ? 0 : timeOf(record), () => go(record));
    });
  }

  /** The place of what is recorded now. @param delivery its way to the handler */
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

  /** The failures among what the handler was given that ended its attempt, and what it was given behind them. */
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
    // What belongs to it rejects only when the handler's time is over.
    void arrival?.then(
      () => this.sequence.ready(delivery),
      () => {},
    );
  }

  /** Something that is not on record may begin. */
  get #isOpen(): boolean {
    return this.options.onReplayed === undefined && this.sequence.isLive;
  }

  #find(branch: Branch, label: string): Checkpoint | undefined {
    const record = this.journal.find(label);
    if (record !== undefined) this.identities.take(branch, this.journal.operationOf(record));
    return record;
  }

  /**
   * What is on record of an operation. What an attempt recorded behind the failure that ended it has lost its place, and
   * may be given in another order now: what was asked for beside a branch then may be asked for by the branch itself now,
   * or the other way round, and keeps its identity all the same.
   */
  #claim(branch: Branch, asked: Asked): Checkpoint | undefined {
    if (!this.isOrdered || !this.hasRecords) return undefined;
    branch.asked = asked;
    const own = this.journal.claim(branch.id, asked.relation);
    if (own !== undefined || !this.journal.hasUnclaimed) return own;
    // A step of its own that was tried is this one, and what is on record in the other relation is another one.
    if (this.journal.triesOf(branch.id, undefined) !== undefined) return undefined;
    const other =
      this.journal.claimOther(asked) ?? this.journal.claimUnder(asked, asked.behindOthers) ?? this.#claimMoved(asked);
    if (other === undefined) return undefined;
    this.identities.take(branch, this.journal.operationOf(other));
    return other;
  }

  /** In changed code, what was recorded under this name, and is not asked for where it was. */
  #claimMoved({ kind, name }: Asked): Checkpoint | undefined {
    if (!this.#hasDrifted) return undefined;
    const moved = this.sequence.passedOverAs(kind, name) ?? this.journal.looseAs(kind, name);
    return moved === undefined ? undefined : this.journal.claim(moved.op, moved.record.beside ? "beside" : "own");
  }

  /** A step of which only failed attempts are on record keeps its name, and so does a wait that is not over. */
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
    const said = `${KIND_NAMES[operation.asked.kind]} ${JSON.stringify(known.name)}`;
    this.options.port.mismatch(`the handler asks for ${said}, which is on record as ${KIND_NAMES[known.kind]}`);
  }

  #whenOpen(
    operation: Operation,
    resolve: (record: Checkpoint | undefined) => void,
    arrivalOf: ArrivalOf | undefined,
  ): void {
    const go = (): void => {
      if (this.options.onReplayed !== undefined) return;
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

  /** For its sequence: the next on record cannot be given yet. */
  onHeld(head: Placed): void {
    const { port } = this.options;
    this.#watch ??= new ReplayWatch({
      sequence: this.sequence,
      fresh: this.#fresh,
      isReplayOnly: this.options.onReplayed !== undefined,
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

  /** For its sequence: everything on record has been given. */
  onLive(): void {
    const { onReplayed } = this.options;
    // Behind what the handler does with what it was given last.
    if (onReplayed !== undefined) setImmediate(() => setImmediate(onReplayed));
  }
}

/** Kinds whose records need not carry their identity where it follows from the record before. */
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
