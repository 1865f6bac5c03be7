import { type Outcome, SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Logger } from "../logger.ts";
import { refusedParkOf, refusedResultOf } from "./executor.ts";
import type { ParkedHandlers } from "./handlers.ts";
import type { HeldLeases, LeasedJob } from "./leased-jobs.ts";

/** Reports the outcomes of leases until the daemon has answered: resends, replaces or drops them. */
export class LeaseReports {
  readonly #delayed = new DelayedReports();

  readonly #held: HeldLeases;
  readonly #parked: ParkedHandlers;
  readonly #send: (job: LeasedJob) => void;
  readonly #logger: Logger;

  constructor(held: HeldLeases, parked: ParkedHandlers, send: (job: LeasedJob) => void, logger: Logger) {
    this.#held = held;
    this.#parked = parked;
    this.#send = send;
    this.#logger = logger;
  }

  report(job: LeasedJob, outcome: Outcome): void {
    job.end(outcome);
    this.#send(job);
  }

  /** The lease is lost: nothing more is reported about it. */
  drop(job: LeasedJob): void {
    this.#delayed.remove(job);
  }

  tick(now: number): void {
    for (const job of this.#delayed.takeDue(now)) this.#send(job);
  }

  readonly onAnswer = (job: LeasedJob, result: SettleResult): void => {
    const isPark = job.outcome.outcome.case === "park";
    switch (result) {
      case SettleResult.RETRY:
        this.#delayed.add(job, performance.now());
        return;
      case SettleResult.INVALID:
        this.#reportRefusal(job, isPark);
        return;
      case SettleResult.STALE:
      case SettleResult.UNSPECIFIED:
        this.#logger.debug("outcome discarded: the lease was revoked", { jobId: job.assignment.jobId });
        if (isPark) this.#dropParked(job);
        break;
      case SettleResult.ACCEPTED:
        if (isPark) this.#parked.recorded(job.assignment);
        break;
    }
    this.#forget(job);
  };

  #dropParked({ assignment }: LeasedJob): void {
    if (this.#parked.find(assignment) !== undefined) this.#parked.drop(assignment.jobId);
  }

  #reportRefusal(job: LeasedJob, isPark: boolean): void {
    const { jobId, functionName } = job.assignment;
    if (job.isRefused) {
      this.#logger.error("the daemon rejected the report of a failure; the lease will expire", { jobId, functionName });
      this.#forget(job);
      return;
    }
    job.isRefused = true;
    if (isPark) this.#dropParked(job);
    this.report(job, isPark ? refusedParkOf(job.assignment) : refusedResultOf(job.assignment));
  }

  #forget(job: LeasedJob): void {
    job.stage = "gone";
    this.#held.remove(job);
  }
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** Outcomes that the daemon could not store for now. Each is reported again after a growing delay. */
class DelayedReports {
  #waiting: { readonly job: LeasedJob; readonly dueAt: number }[] = [];

  add(job: LeasedJob, now: number): void {
    const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(job.retries++, 16), MAX_DELAY_MS);
    this.#waiting.push({ job, dueAt: now + delay });
  }

  remove(job: LeasedJob): void {
    this.#waiting = this.#waiting.filter((entry) => entry.job !== job);
  }

  /** Removes and returns those whose delay has passed. */
  takeDue(now: number): readonly LeasedJob[] {
    const due = this.#waiting.filter((entry) => entry.dueAt <= now);
    if (due.length > 0) this.#waiting = this.#waiting.filter((entry) => entry.dueAt > now);
    return due.map((entry) => entry.job);
  }
}
