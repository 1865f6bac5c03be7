import { LIMITS } from "../core/job-options.ts";
import type { JobEvent, Transition } from "../core/job-machine.ts";
import { decide } from "../core/job-machine.ts";
import type { Job, Lease } from "../core/job.ts";
import type { Engine } from "./engine.ts";
import type { HeldLease, WorkerSession } from "./worker-session.ts";

/** How a worker says that an attempt ended. */
export interface AttemptReport extends Lease {
  readonly event: Extract<JobEvent, { kind: "succeed" | "fail" | "release" }>;
  /** As the worker measured it; 0 when unknown. */
  readonly runMs: number;
}

export type SettleResult =
  | "accepted"
  /** The lease is no longer the worker's: nothing changed. */
  | "stale"
  /** Not stored for now: report it again. */
  | "retry"
  /** The report breaks a limit: report a failure instead. */
  | "invalid";

/** A report on its way: either a guarded write, or an answer that needs none. */
type Step =
  | { readonly kind: "write"; readonly held: HeldLease; readonly transition: Transition }
  | { readonly kind: "unknown"; readonly lease: Lease }
  | { readonly kind: "answered"; readonly result: SettleResult };

/**
 * Settles attempts under their leases, in one commit, and calls `onSettled` with one result a report once that commit
 * is on disk. Slots free at once, so that the same commit can claim the next jobs. A report repeated after a lost
 * answer is accepted again and changes nothing; one under a lease that was taken back is stale.
 */
export function settleAttempts(
  engine: Engine,
  session: WorkerSession,
  reports: readonly AttemptReport[],
  onSettled: (results: readonly SettleResult[]) => void,
): void {
  const steps = reports.map((report) => prepare(engine, session, report));
  noteSpeed(engine, session, reports, steps);
  const writes = steps.filter((step) => step.kind === "write");
  engine.lane.settle(
    writes.map((step) => step.transition),
    {
      done: (applied) => answer(engine, steps, applied, onSettled),
      failed: () => {
        for (const { held } of writes) session.restore(held);
        onSettled(steps.map((step) => (step.kind === "answered" ? step.result : "retry")));
      },
    },
  );
}

function prepare(engine: Engine, session: WorkerSession, report: AttemptReport): Step {
  const held = session.find(report);
  if (held === null) return { kind: "unknown", lease: report };
  if (report.event.kind === "succeed" && report.event.result.byteLength > LIMITS.payloadBytes) {
    return { kind: "answered", result: "invalid" };
  }
  session.remove(held);
  if (held.isRevoked) return { kind: "answered", result: "stale" };
  const snapshot: Job = { ...held.job, startedAt: held.startedAt ?? held.job.startedAt };
  const transition = decide(snapshot, shorten(report.event), engine.settings, engine.random());
  return transition === null ? { kind: "answered", result: "stale" } : { kind: "write", held, transition };
}

/** Answers at once, unless some report came without its lease: then the store tells whether it was settled before. */
function answer(
  engine: Engine,
  steps: readonly Step[],
  applied: readonly boolean[],
  onSettled: (results: readonly SettleResult[]) => void,
): void {
  let written = 0;
  const results = steps.map((step): SettleResult => {
    switch (step.kind) {
      case "answered":
        return step.result;
      case "write":
        return applied[written++] === true ? "accepted" : "stale";
      case "unknown":
        return "stale";
    }
  });
  const unknown = steps.flatMap((step, index) => (step.kind === "unknown" ? [{ lease: step.lease, index }] : []));
  if (unknown.length === 0) {
    onSettled(results);
    return;
  }
  void engine.store.getJobs(unknown.map(({ lease }) => lease.jobId)).then(
    (jobs) => {
      for (const { lease, index } of unknown) if (wasSettled(jobs, lease)) results[index] = "accepted";
      onSettled(results);
    },
    () => {
      for (const { index } of unknown) results[index] = "retry";
      onSettled(results);
    },
  );
}

/** Every taking back raises the token; a token that is still the last one and no longer RUNNING was settled by its holder. */
function wasSettled(jobs: readonly Job[], lease: Lease): boolean {
  return jobs.some(
    (job) => job.jobId === lease.jobId && job.leaseToken === lease.leaseToken && job.state !== "RUNNING",
  );
}

function shorten(event: AttemptReport["event"]): AttemptReport["event"] {
  if (event.kind !== "fail") return event;
  const { error } = event;
  const stack = error.stack === undefined ? {} : { stack: cut(error.stack) };
  return { ...event, error: { name: cut(error.name), message: cut(error.message), ...stack } };
}

function cut(text: string): string {
  const limit = LIMITS.errorTextBytes;
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text;
  return `${Buffer.from(text)
    .subarray(0, limit)
    .toString()
    .replace(/\uFFFD+$/, "")}… (cut at ${limit} bytes)`;
}

function noteSpeed(
  engine: Engine,
  session: WorkerSession,
  reports: readonly AttemptReport[],
  steps: readonly Step[],
): void {
  let runMs = 0;
  let bytes = 0;
  for (const [index, report] of reports.entries()) {
    const step = steps[index];
    runMs += report.runMs;
    if (step?.kind === "write") bytes += step.held.argsBytes;
  }
  const count = reports.length;
  if (count > 0) session.gauge.note(count, runMs / count, bytes / count, engine.clock.monotonic());
}
