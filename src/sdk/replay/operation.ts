import type { Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { type Alternatives, type Branch, nameIn, operationId, type Relation, RELATIONS } from "./scope.ts";

/** Limits of the search for other identities: preceding operations that may differ too, and candidates. */
const DEPTH = 3;
const MOST_ALTERNATIVES = 12;
const NONE: readonly number[] = [];

/** Number that an operation would have in each relation. */
export type OtherNumbers = Readonly<Record<Relation, number>>;

/** A handler's request for an operation. */
export class Asked implements Alternatives {
  /** Identity of the operation before it in the same branch. */
  readonly behind: number;

  /** The branch in which it is asked for. */
  readonly #here: Branch;
  /** The numbers it would have in each relation; undefined if nothing is on record. */
  readonly #others: OtherNumbers | undefined;

  constructor(
    /** As passed by the handler. */
    readonly name: string,
    readonly kind: CheckpointKind,
    /** Asked for in the turn in which the handler was started or received something. */
    readonly isPrompt: boolean,
    readonly relation: Relation,
    here: Branch,
    /** Count of uses of the name in this relation, including this one. */
    readonly nth: number,
    others: OtherNumbers | undefined,
  ) {
    this.#here = here;
    this.#others = others;
    this.behind = here.id;
  }

  /**
   * Identities that it would have if the operation before it had another one.
   *
   * @param isRecorded whether something is on record under an identity. The operation before it would have taken that
   *   record, so the identity belongs to another one, in a branch of the same names.
   */
  behindOthers(isRecorded: (op: number) => boolean): readonly number[] {
    const { kind, name, relation, nth } = this;
    return this.#behindOthers(DEPTH)
      .filter((behind) => !isRecorded(behind))
      .map((behind) => operationId(behind, kind, nameIn(relation, name), nth));
  }

  /**
   * Identities that it may have had in an execution that took another path, or in which plain code took longer or
   * shorter.
   */
  alternatives(depth: number): readonly number[] {
    const { behind, kind, name, relation } = this;
    const others = this.#others;
    if (others === undefined) return NONE;
    const ids: number[] = [];
    for (const before of [behind, ...this.#behindOthers(depth)]) {
      for (const other of RELATIONS) {
        if (ids.length === MOST_ALTERNATIVES) return ids;
        if (before === behind && other === relation) continue;
        ids.push(operationId(before, kind, nameIn(other, name), others[other]));
      }
    }
    return ids;
  }

  #behindOthers(depth: number): readonly number[] {
    return depth === 0 ? NONE : this.#here.alternatives(depth - 1);
  }

  /** Whether its identity follows from the operation before it and its name. */
  get isChained(): boolean {
    return this.relation === "own" && this.nth === 1;
  }

  /**
   * The identity that it would have, had deliveries come in another order: as "own" instead of "beside", or the
   * reverse. 0 if there is none.
   */
  get otherId(): number {
    if (this.relation === "at once") return 0;
    return this.#idAs(this.relation === "own" ? "beside" : "own");
  }

  /** Whether it would have that identity, had the code before it taken longer or shorter. */
  isOther(op: number): boolean {
    return this.alternatives(DEPTH).includes(op);
  }

  #idAs(relation: Relation): number {
    if (this.#others === undefined) return 0;
    return operationId(this.behind, this.kind, nameIn(relation, this.name), this.#others[relation]);
  }

  /** The identity that it would have if it were of another kind. */
  idAs(kind: CheckpointKind): number {
    return operationId(this.behind, kind, nameIn(this.relation, this.name), this.nth);
  }
}

/** An operation of a handler: a step, a wait, a value, the end of a job. */
export class Operation {
  /** Its name was recorded as something else, so it never completes. */
  isStuck = false;

  constructor(
    /** The branch that it begins, which carries its identity. */
    readonly branch: Branch,
    readonly asked: Asked,
    /** Name of its record, unique within the job. */
    public label: string,
    /** Its record from an earlier execution. */
    public record: Checkpoint | undefined,
  ) {}

  /** The same in every execution. */
  get id(): number {
    return this.branch.id;
  }

  get name(): string {
    return this.asked.name;
  }

  get kind(): CheckpointKind {
    return this.asked.kind;
  }
}
