import type { AttemptEnd } from "../workflow/attempt-end.ts";
import type { LeasedJob } from "./leased-job.ts";
import type { CrashPlan } from "../workflow/test-hooks.ts";

/** Decides where handlers crash in a test world with fault injection; nowhere in production. */
export class InjectedCrashes {
  constructor(private readonly plan: CrashPlan | undefined) {}

  crashesAfter({ assignment, isRevoked, context }: LeasedJob, point: string): boolean {
    return !isRevoked && context !== undefined && this.plan?.crashesAfter(assignment.jobId, point) === true;
  }

  /** Only if something it waited for has ended: otherwise its replay would get no further. */
  crashesOnResume({ assignment, recorded }: LeasedJob): boolean {
    const names = recorded.map(({ name }) => name).join();
    return names !== "" && this.plan?.crashesAfter(assignment.jobId, `wait ${names}`) === true;
  }

  crashesAtEnd({ assignment, context, isRevoked }: LeasedJob, end: AttemptEnd): boolean {
    if (this.plan === undefined || isRevoked || end.kind === "failure") return false;
    const { jobId, functionName, failures } = assignment;
    const notAskedFor = context?.startedExecution?.journal.notAskedFor ?? [];
    return this.plan.crashesAtEnd({ jobId, functionName, failures, result: end.bytes, notAskedFor });
  }
}
