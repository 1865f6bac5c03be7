import type { LeasedJob } from "./leased-job.ts";

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** Outcomes that the daemon could not store for now. Each is reported again after a growing delay. */
export class DelayedReports {
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
