import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import { encodeResult } from "../serialization.ts";
import type { AttemptEnd } from "../workflow/attempt-end.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";
import { undoSteps } from "../workflow/undo.ts";
import type { LeasedJob } from "./leased-jobs.ts";

/** An attempt of an undo job: replays the handler of the undone job, then runs the undos of its steps. */
export class Undoing {
  #context: HandlerContext | undefined;
  #onEnd: ((end: AttemptEnd) => void) | undefined;
  #hasBegun = false;

  readonly #job: LeasedJob;

  constructor(job: LeasedJob) {
    this.#job = job;
  }

  get undone(): readonly Checkpoint[] {
    return this.#job.undone;
  }

  /** Call before the handler starts. @param onEnd called once, with how the undos ended */
  prepare(context: HandlerContext, onEnd: (end: AttemptEnd) => void): void {
    this.#context = context;
    this.#onEnd = onEnd;
    // Creates the execution even for a handler that asks for nothing: its steps are on record.
    void context.execution;
  }

  /** Call when the handler was replayed to its last recorded point, or has settled there. */
  readonly begin = (): void => {
    if (this.#hasBegun || this.#context === undefined) return;
    this.#hasBegun = true;
    const { functionName } = this.#context;
    undoSteps(this.#context, this.#job.undone, this.#job.recorded).then(
      (undone) => {
        const result = { undone };
        this.#onEnd?.({ kind: "success", result, bytes: encodeResult(functionName, result) });
      },
      (thrown: unknown) => this.#onEnd?.({ kind: "failure", thrown }),
    );
  };
}
