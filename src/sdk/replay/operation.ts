import type { Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { type Alternatives, type Branch, nameIn, operationId, type Relation, RELATIONS } from "./branch.ts";

/** Operations before one whose identities may differ with it, and identities that are looked for. */
const DEPTH = 3;
const MOST_ALTERNATIVES = 12;
const NONE: readonly number[] = [];

/** Numbers that an operation would have. */
export type OtherNumbers = Readonly<Record<Relation, number>>;

/** How a handler asks for an operation. */
export class Asked implements Alternatives {
  /** Identity of what was asked for before it in the same branch. */
  readonly behind: number;

  constructor(
    /** As the handler gave it. */
    readonly name: string,
    readonly kind: CheckpointKind,
    /** In the turn in which the handler was started or given something. */
    readonly isPrompt: boolean,
    readonly relation: Relation,
    /** Behind which it is asked for. */
    private readonly here: Branch,
    /** Number of this use of the name in this relation. */
    readonly nth: number,
    /** The same in the other relations, as they stand before this use; undefined where nothing is on record. */
    private readonly others: OtherNumbers | undefined,
  ) {
    this.behind = here.id;
  }

  /** Identities that it would have behind an operation that had another one. */
  get behindOthers(): readonly number[] {
    const { kind, name, relation, nth } = this;
    return this.#behindOthers(DEPTH).map((behind) => operationId(behind, kind, nameIn(relation, name), nth));
  }

  /** What it may have been in an execution that came another way, or in which something plain took longer or shorter. */
  alternatives(depth: number): readonly number[] {
    const { behind, kind, name, others, relation } = this;
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
    return depth === 0 ? NONE : this.here.alternatives(depth - 1);
  }

  /** Its identity follows from the one before it and its name. */
  get isChained(): boolean {
    return this.relation === "own" && this.nth === 1;
  }

  /**
   * The identity that it would have, had the handler been given things in another order: as its own instead of beside it,
   * and the other way round. 0: it has no other.
   */
  get otherId(): number {
    if (this.relation === "at once") return 0;
    return this.#idAs(this.relation === "own" ? "beside" : "own");
  }

  /** Whether it would have that identity, had what lies before it taken longer or shorter. */
  isOther(op: number): boolean {
    return this.alternatives(DEPTH).includes(op);
  }

  #idAs(relation: Relation): number {
    if (this.others === undefined) return 0;
    return operationId(this.behind, this.kind, nameIn(relation, this.name), this.others[relation]);
  }

  /** The identity that it would have as an operation of another kind. */
  idAs(kind: CheckpointKind): number {
    return operationId(this.behind, kind, nameIn(this.relation, this.name), this.nth);
  }
}

/** Something that a handler has asked for: a step, a wait, a value, the end of a job. */
export class Operation {
  /** What is on record under its name is something else: it never goes on. */
  isStuck = false;

  constructor(
    /** Begins with it; carries its identity. */
    readonly branch: Branch,
    readonly asked: Asked,
    /** Under which it is recorded, unique within the job. */
    public label: string,
    /** What earlier executions recorded of it. */
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
