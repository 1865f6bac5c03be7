import type { HeldLease } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { LeasedJob } from "./leased-job.ts";

/** Leases that this worker holds, as far as it knows, by job, in the order of assignment. */
export class HeldLeases {
  readonly #held = new Map<string, LeasedJob>();

  add(job: LeasedJob): void {
    this.#held.set(job.assignment.jobId, job);
  }

  get(jobId: string): LeasedJob | undefined {
    return this.#held.get(jobId);
  }

  find(wanted: { readonly jobId: string; readonly leaseToken: number }): LeasedJob | undefined {
    const job = this.#held.get(wanted.jobId);
    return job?.isLease(wanted) === true ? job : undefined;
  }

  remove(job: LeasedJob): void {
    if (this.#held.get(job.assignment.jobId) === job) this.#held.delete(job.assignment.jobId);
  }

  /**
   * The leases for a hello: started jobs first, in the order of their start. Those with unanswered outcomes are held
   * too.
   */
  forHello(now: number): HeldLease[] {
    const held = [...this.#held.values()].filter((job) => !job.isRevoked);
    const started = held.filter((job) => job.stage !== "waiting").sort((one, other) => one.startedAt - other.startedAt);
    const waiting = held.filter((job) => job.stage === "waiting");
    return [...started.map((job) => lease(job, now)), ...waiting.map((job) => lease(job, now))];
  }
}

function lease({ assignment: { jobId, leaseToken }, stage, extendedUntil }: LeasedJob, now: number): HeldLease {
  const started = stage !== "waiting";
  const held: HeldLease = { $typeName: "reseolio.v1.HeldLease", jobId, leaseToken, started };
  return extendedUntil === undefined ? held : { ...held, timeLeftMs: Math.max(0, Math.round(extendedUntil - now)) };
}
