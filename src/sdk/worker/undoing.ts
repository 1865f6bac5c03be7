import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";
import { encodeResult } from "../serialization.ts";
import { undoSteps } from "../workflow/undo.ts";
import type { AttemptEnd } from "../workflow/attempt-end.ts";
import type { LeasedJob } from "./leased-job.ts";

/** The attempt of a job that undoes the steps of another one: its handler is replayed, then the undos run. */
export class Undoing {
  #context: HandlerContext | undefined;
  #onEnd: ((end: AttemptEnd) => void) | undefined;
  #hasBegun = false;

  constructor(private readonly job: LeasedJob) {}

  get undone(): readonly Checkpoint[] {
    return this.job.undone;
  }

  /** Before the handler starts. @param onEnd told how the undos ended, once */
  prepare(context: HandlerContext, onEnd: (end: AttemptEnd) => void): void {
    this.#context = context;
    this.#onEnd = onEnd;
    // A handler that asks for nothing has nothing to replay, but its steps are on record.
    void context.execution;
  }

  /** The handler was replayed to where it stood, or has settled there. */
  readonly begin = (): void => {
    if (this.#hasBegun || this.#context === undefined) return;
    this.#hasBegun = true;
    const { functionName } = this.#context;
    undoSteps(this.#context, this.job.undone, this.job.recorded).then(
      (undone) => {
        const result = { undone };
        this.#onEnd?.({ kind: "success", result, bytes: encodeResult(functionName, result) });
      },
      (thrown: unknown) => this.#onEnd?.({ kind: "failure", thrown }),
    );
  };
}
