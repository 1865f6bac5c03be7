import type { Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Branch, Relation } from "./branch.ts";

/** How a handler asks for an operation. */
export interface Asked {
  /** As the handler gave it. */
  readonly name: string;
  readonly kind: CheckpointKind;
  /** In the turn in which the handler was started or given something. */
  readonly isPrompt: boolean;
  readonly relation: Relation;
  /**
   * The identity that it would have, had the handler been given things in another order: as its own instead of beside it,
   * and the other way round. 0: it has no other.
   */
  readonly otherId: number;
  /** The identity that it would have as an operation of another kind. */
  readonly idAs: (kind: CheckpointKind) => number;
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
