/** Work that a handler left unfinished when it settled, and that its attempt waits for. */
import type { HandlerContext } from "../workflow/handler-context.ts";
import type { AttemptEnd } from "../workflow/attempt-end.ts";
import type { LeasedJob } from "./leased-job.ts";

/**
 * Defers the end of an attempt. Steps that a failed handler left running are recorded first, as they would run again
 * otherwise. After a handler has returned, a branch that lost a race may still ask for what is on record.
 *
 * @param onFinished called when the attempt can end
 * @returns false when there is nothing to wait for; `onFinished` is not called then
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
