import {
  CHECKPOINT_LIMITS,
  checkName,
  isPlace,
  type NewWait,
  type ParkOrder,
  ranMsAtPark,
} from "../../core/checkpoint.ts";
import { LIMITS } from "../../core/job-options.ts";
import type { JobEvent, Transition } from "../../core/job-machine.ts";
import { decide } from "../../core/job-machine.ts";
import type { Job, Lease } from "../../core/job.ts";
import { cutError, cutText } from "./cut-error.ts";
import type { Engine } from "../engine.ts";
import type { ParkOutcome, ParkToStore } from "../workflows/park-jobs.ts";
import { DELIVERY_MS, type HeldLease, type WorkerSession } from "../workers/worker-session.ts";

/** The handler waits for something and needs no slot meanwhile. */
export interface ParkReport {
  readonly kind: "park";
  /** Those that were not told before by this worker. */
  readonly waits: readonly NewWait[];
  /** All that it waits for now. */
  readonly waitingNames: readonly string[];
  /** Of a client that keeps an order. */
  readonly order?: ParkOrder | undefined;
}

/** How a worker says that an attempt ended, or pauses. */
export interface AttemptReport extends Lease {
  readonly event: Extract<JobEvent, { kind: "succeed" | "fail" | "release" }> | ParkReport;
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
  | { readonly kind: "park"; readonly held: HeldLease; readonly park: ParkToStore }
  | { readonly kind: "unknown"; readonly lease: Lease }
  | { readonly kind: "answered"; readonly result: SettleResult };

/** What the lane answered; null where it failed. */
interface Answers {
  readonly applied: readonly boolean[] | null;
  readonly parked: readonly ParkOutcome[] | null;
}

/**
 * Settles or parks attempts under their leases, in one commit, and calls `onSettled` with one result a report once that
 * commit is on disk. Slots free at once, so that the same commit can claim the next jobs. A report repeated after a lost
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
  submit(engine, steps, (answers) => {
    const results = resultsOf(steps, answers);
    for (const [index, step] of steps.entries()) {
      if ("held" in step && (results[index] === "retry" || results[index] === "invalid")) session.restore(step.held);
      if (step.kind === "park" && results[index] === "accepted" && engine.store.isShared) session.notePark(step.held);
    }
    answerUnchanged(engine, steps, results, onSettled);
  });
}

function prepare(engine: Engine, session: WorkerSession, report: AttemptReport): Step {
  const held = session.find(report);
  if (held === null) return { kind: "unknown", lease: report };
  const { event } = report;
  if (event.kind === "succeed" && event.result.byteLength > LIMITS.payloadBytes) return INVALID;
  if (event.kind === "park" && !isWithinLimits(event, held)) return INVALID;
  const snapshot: Job = { ...held.job, startedAt: held.startedAt ?? held.job.startedAt };
  const { ranSince, deadline } = held;
  session.remove(held);
  // It may have been taken for lost because its own settling was not heard of.
  if (held.isRevoked) return { kind: "unknown", lease: held };
  if (event.kind !== "park") {
    const transition = decide(snapshot, shorten(event), engine.settings, engine.random());
    return transition === null ? STALE : { kind: "write", held, transition };
  }
  const now = engine.clock.monotonic();
  const ranMs = ranMsAtPark(held.job, now - ranSince, deadline - DELIVERY_MS - now);
  const transition = decide(snapshot, { kind: "park", ranMs }, engine.settings, 0);
  if (transition === null) return STALE;
  const { waits, waitingNames, order = null } = event;
  return { kind: "park", held, park: { transition, waits, waitingNames, order, place: held.checkpointCount } };
}

const INVALID: Step = { kind: "answered", result: "invalid" };
const STALE: Step = { kind: "answered", result: "stale" };

function isWithinLimits({ waits, waitingNames, order }: ParkReport, held: HeldLease): boolean {
  const { perJob, awaitedPerJob } = CHECKPOINT_LIMITS;
  const awaited = waits.filter((wait) => wait.kind === "job").length;
  return (
    waitingNames.length > 0 &&
    waitingNames.length <= perJob + awaitedPerJob &&
    held.checkpointCount - held.awaitedCount + waits.length - awaited <= perJob &&
    held.awaitedCount + awaited <= awaitedPerJob &&
    (order === undefined || isPlace(order)) &&
    waits.every(({ name }) => checkName(name, "name").length === 0) &&
    waits.every((wait) => wait.kind !== "event" || checkName(wait.eventName, "event_name").length === 0) &&
    waits.every((wait) => wait.kind !== "signal" || checkName(wait.signalName, "signal_name").length === 0)
  );
}

/** Both parts go into the same transaction. */
function submit(engine: Engine, steps: readonly Step[], onAnswered: (answers: Answers) => void): void {
  const transitions = steps.flatMap((step) => (step.kind === "write" ? [step.transition] : []));
  const parks = steps.flatMap((step) => (step.kind === "park" ? [step.park] : []));
  let waiting = parks.length > 0 ? 2 : 1;
  let applied: readonly boolean[] | null = null;
  let parked: readonly ParkOutcome[] | null = null;
  const finish = (): void => {
    if (--waiting === 0) onAnswered({ applied, parked });
  };
  engine.lane.settle(transitions, {
    done: (results) => {
      applied = results;
      finish();
    },
    failed: finish,
  });
  if (parks.length === 0) return;
  engine.lane.park(parks, {
    done: (outcomes) => {
      parked = outcomes;
      finish();
    },
    failed: finish,
  });
}

function resultsOf(steps: readonly Step[], { applied, parked }: Answers): SettleResult[] {
  let written = 0;
  let paused = 0;
  return steps.map((step): SettleResult => {
    switch (step.kind) {
      case "answered":
        return step.result;
      case "write":
        if (applied === null) return "retry";
        return applied[written++] === true ? "accepted" : "stale";
      case "park":
        return parked === null ? "retry" : parkResult(parked[paused++] ?? "stale");
      case "unknown":
        return applied === null ? "retry" : "stale";
    }
  });
}

function parkResult(outcome: ParkOutcome): SettleResult {
  return outcome === "parked" ? "accepted" : outcome;
}

/**
 * A report that changed nothing may have been settled before, with the answer lost on its way to the worker or to this
 * daemon: the store tells.
 */
function answerUnchanged(
  engine: Engine,
  steps: readonly Step[],
  results: SettleResult[],
  onSettled: (results: readonly SettleResult[]) => void,
): void {
  const unchanged = steps.flatMap((step, index) =>
    step.kind === "answered" || results[index] !== "stale" ? [] : [{ lease: leaseOf(step), index }],
  );
  if (unchanged.length === 0) {
    onSettled(results);
    return;
  }
  void engine.store.jobs.getMany(unchanged.map(({ lease }) => lease.jobId)).then(
    (jobs) => {
      for (const { lease, index } of unchanged) if (wasSettled(jobs, lease)) results[index] = "accepted";
      onSettled(results);
    },
    () => {
      for (const { index } of unchanged) results[index] = "retry";
      onSettled(results);
    },
  );
}

function leaseOf(step: Exclude<Step, { readonly kind: "answered" }>): Lease {
  return step.kind === "unknown" ? step.lease : step.held;
}

/** Every taking back raises the token; a token that is still the last one and no longer RUNNING was settled by its holder. */
function wasSettled(jobs: readonly Job[], lease: Lease): boolean {
  return jobs.some(
    (job) => job.jobId === lease.jobId && job.leaseToken === lease.leaseToken && job.state !== "RUNNING",
  );
}

function shorten<E extends JobEvent>(event: E): E {
  if (event.kind === "fail") return { ...event, error: cutError(event.error) };
  if (event.kind === "release" && event.mismatch !== undefined) return { ...event, mismatch: cutText(event.mismatch) };
  return event;
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
    if (step !== undefined && "held" in step) bytes += step.held.argsBytes;
  }
  const count = reports.length;
  if (count > 0) session.gauge.note(count, runMs / count, bytes / count, engine.clock.monotonic());
}
