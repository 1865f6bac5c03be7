import type { Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Branch } from "./branch.ts";

/** Something that a handler has asked for: a step, a wait, a value, the end of a job. */
export class Operation {
  /** What is on record under its name is something else: it never goes on. */
  isStuck = false;

  constructor(
    /** Begins with it; carries its identity. */
    readonly branch: Branch,
    /** As the handler gave it. */
    readonly name: string,
    readonly kind: CheckpointKind,
    /** Under which it is recorded, unique within the job. */
    public label: string,
    /** What earlier executions recorded of it. */
    public record: Checkpoint | undefined,
    /** Asked for in the turn in which the handler was started or given something. */
    readonly isPrompt: boolean,
    /** The identity that it would have, had chance had it asked for in another turn. */
    readonly otherId: number,
  ) {}

  /** The same in every execution. */
  get id(): number {
    return this.branch.id;
  }
}
