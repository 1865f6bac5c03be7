/** What a handler that has settled leaves under way, and is waited for before its attempt ends. */
import type { HandlerContext } from "../workflow/handler-context.ts";
import type { AttemptEnd } from "../workflow/attempt-end.ts";
import type { LeasedJob } from "./leased-job.ts";

/**
 * Steps that a failed handler leaves under way are recorded first: they would be done again. A branch that has lost a race
 * may ask for what is on record a moment after the handler has returned.
 *
 * @param onFinished called when the attempt can end
 * @returns false when nothing is to be waited for, and then nothing is called
 */
export function defersEnd(
  context: HandlerContext,
  end: AttemptEnd,
  job: LeasedJob | undefined,
  onFinished: () => void,
): boolean {
  if (context.abortReason !== undefined || job?.stage !== "running") return false;
  if (end.kind === "success") {
    if (!context.hasUnasked) return false;
    context.execution.holdSlot();
    void context.whenAsked().then(onFinished);
    return true;
  }
  const execution = context.startedExecution;
  if (execution === undefined || execution.steps.size === 0) return false;
  execution.beginEnding();
  execution.steps.whenOver(job.timeLeftMs(performance.now()), () => {
    if (execution.steps.size > 0 && !execution.isDropped) context.abandonSteps(execution.steps.names);
    onFinished();
  });
  return true;
}
