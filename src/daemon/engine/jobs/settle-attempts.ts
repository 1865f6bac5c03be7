import { WIRE_LIMITS } from "#proto/contract.ts";
import {
  checkName,
  CHECKPOINT_LIMITS,
  isPlace,
  type NewWait,
  type ParkOrder,
  ranMsAtPark,
} from "../../core/checkpoint.ts";
import { cutError, cutText } from "../../core/cut-error.ts";
import { decide, type JobEvent, type Transition } from "../../core/job-machine.ts";
import type { Job, Lease } from "../../core/job.ts";
import type { SettleResult } from "../dispatch/settle-result.ts";
import { DELIVERY_MS, type HeldLease, type WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { isTransient } from "../lane/commit-lane.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import type { WriteKind } from "../lane/write-kind.ts";
import { type Park, parkJobs, type ParkOutcome, type ParkRequest } from "../workflows/park-jobs.ts";

/** The handler waits for something, and needs no slot meanwhile. */
export interface ParkReport {
  readonly kind: "park";
  /** Waits that this worker has not reported before. */
  readonly waits: readonly NewWait[];
  /** Names of everything that it waits for now. */
  readonly waitingNames: readonly string[];
  /** Only from clients that record an order. */
  readonly order?: ParkOrder | undefined;
}

/** A worker's report that an attempt has ended, or pauses. */
export interface AttemptReport extends Lease {
  readonly event: Extract<JobEvent, { kind: "succeed" | "fail" | "release" }> | ParkReport;
  /** Run time as the worker measured it; 0 when unknown. */
  readonly runMs: number;
}

/** A guarded write that ends an attempt, releases its job, or parks it. */
export interface Settlement {
  readonly transition: Transition;
  /** What the job waits for, if the write parks it. */
  readonly park: Park | null;
}

/** "failed": the store refused this write, and no other one of the report. */
type WriteOutcome = ParkOutcome | "failed";

export const settleKind: WriteKind<Settlement, ParkOutcome> = {
  name: "settle",
  readsTimeLate: true,
  eventNames: listAwaitedEvents,
  apply: applySettlements,
};

/** A report in progress: either a guarded write, or an answer that needs none. */
type Step =
  | ({ readonly kind: "write"; readonly held: HeldLease } & Settlement)
  | { readonly kind: "unknown"; readonly lease: Lease }
  | { readonly kind: "answered"; readonly result: SettleResult };

/**
 * Settles or parks attempts under their leases, in one commit, and calls `onSettled` with one result per report when
 * that commit is on disk. Slots are freed at once, so that the same commit can claim the next jobs. A report that is
 * repeated after a lost answer is accepted again and changes nothing; a report under a revoked lease is stale.
 */
export function settleAttempts(
  engine: Engine,
  session: WorkerSession,
  reports: readonly AttemptReport[],
  onSettled: (results: readonly SettleResult[]) => void,
): void {
  const steps = reports.map((report) => prepare(engine, session, report));
  measureSpeed(engine, session, reports, steps);
  const finish = (outcomes: readonly WriteOutcome[] | null): void => {
    const results = resultsOf(steps, outcomes);
    for (const [index, step] of steps.entries()) if (step.kind === "write") afterWrite(step, results[index]);
    answerUnchanged(engine, steps, results, onSettled);
  };
  const afterWrite = ({ held, park }: WriteStep, result: SettleResult | undefined): void => {
    if (result === "retry" || result === "invalid") session.restore(held);
    if (park !== null && result === "accepted" && engine.store.isShared) session.addParked(held);
  };
  const writes = steps.filter((step) => step.kind === "write");
  // Even without a write: a report under an unknown lease is answered after what this commit settles.
  engine.lane.submit(settleKind, writes, {
    done: finish,
    failed: (error) => {
      if (writes.length < 2 || isTransient(error)) finish(null);
      else writeEach(engine, writes, finish);
    },
  });
}

/**
 * Writes each settlement alone after one of them made the commit fail, so that the others are not refused with it
 * forever.
 */
function writeEach(
  { lane }: Engine,
  writes: readonly Settlement[],
  onWritten: (outcomes: readonly WriteOutcome[]) => void,
): void {
  const outcomes: WriteOutcome[] = [];
  let waiting = writes.length;
  for (const [index, settlement] of writes.entries()) {
    const written = (outcome: WriteOutcome): void => {
      outcomes[index] = outcome;
      if (--waiting === 0) onWritten(outcomes);
    };
    lane.submit(settleKind, [settlement], {
      done: ([outcome]) => written(outcome ?? "stale"),
      failed: () => written("failed"),
    });
  }
}

/**
 * Settles without waiting for the outcome. If the store fails, the lease check or the worker's next hello repairs it.
 */
export function settleInBackground({ lane }: Engine, decisions: readonly (Transition | null)[]): void {
  const transitions = decisions.filter((transition) => transition !== null);
  if (transitions.length === 0) return;
  const settlements = transitions.map((transition) => ({ transition, park: null }));
  lane.submit(settleKind, settlements, { done: () => {}, failed: () => {} });
}

type WriteStep = Extract<Step, { readonly kind: "write" }>;

/** Ends attempts first, then parks jobs. */
async function applySettlements(
  lane: LaneTransaction,
  settlements: readonly Settlement[],
): Promise<readonly ParkOutcome[]> {
  const parks = settlements.filter((one): one is ParkRequest => one.park !== null);
  const ends = parks.length === 0 ? settlements : settlements.filter(({ park }) => park === null);
  const applied = ends.length > 0 ? await lane.apply(ends.map(({ transition }) => transition)) : [];
  const parked = parks.length > 0 ? await parkJobs(lane, parks) : [];
  let [nextEnd, nextPark] = [0, 0];
  return settlements.map(({ park }) => {
    if (park !== null) return parked[nextPark++] ?? "stale";
    return applied[nextEnd++] === true ? "applied" : "stale";
  });
}

function listAwaitedEvents(settlements: readonly Settlement[]): readonly string[] {
  const names: string[] = [];
  for (const { park } of settlements) {
    for (const wait of park?.waits ?? []) if (wait.kind === "event") names.push(wait.eventName);
  }
  return names;
}

function prepare(engine: Engine, session: WorkerSession, report: AttemptReport): Step {
  const held = session.find(report);
  if (held === null) return { kind: "unknown", lease: report };
  const { event } = report;
  if (event.kind === "succeed" && event.result.byteLength > WIRE_LIMITS.payloadBytes) return INVALID;
  if (event.kind === "park" && !isWithinLimits(event, held)) return INVALID;
  const snapshot: Job = { ...held.job, startedAt: held.startedAt ?? held.job.startedAt };
  const { ranSince, deadline } = held;
  session.remove(held);
  // The lease may be revoked here because we had not yet seen it settled.
  if (held.isRevoked) return { kind: "unknown", lease: held };
  if (event.kind !== "park") {
    const transition = decide(snapshot, shorten(event), engine.settings, engine.random());
    return transition === null ? STALE : { kind: "write", held, transition, park: null };
  }
  const now = engine.clock.monotonic();
  const ranMs = ranMsAtPark(held.job, now - ranSince, deadline - DELIVERY_MS - now);
  const transition = decide(snapshot, { kind: "park", ranMs });
  if (transition === null) return STALE;
  const { waits, waitingNames, order = null } = event;
  return { kind: "write", held, transition, park: { waits, waitingNames, order, place: held.checkpointCount } };
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
    new Set(waits.map(({ name }) => name)).size === waits.length &&
    waits.every((wait) => wait.kind !== "event" || checkName(wait.eventName, "event_name").length === 0) &&
    waits.every((wait) => wait.kind !== "signal" || checkName(wait.signalName, "signal_name").length === 0)
  );
}

/** @param outcomes of the writes; null when the commit failed */
function resultsOf(steps: readonly Step[], outcomes: readonly WriteOutcome[] | null): SettleResult[] {
  let next = 0;
  return steps.map((step): SettleResult => {
    if (step.kind === "answered") return step.result;
    if (outcomes === null) return "retry";
    return step.kind === "unknown" ? "stale" : toResult(outcomes[next++] ?? "stale");
  });
}

function toResult(outcome: WriteOutcome): SettleResult {
  if (outcome === "failed") return "retry";
  return outcome === "applied" ? "accepted" : outcome;
}

/**
 * Asks the store about reports that changed nothing: they may have been settled before, with the answer lost before it
 * reached the worker or this daemon.
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

/**
 * A revocation raises the token, so a job that still has this one but is not RUNNING was settled by the lease's holder.
 */
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

function measureSpeed(
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
  if (count > 0) session.gauge.record(count, runMs / count, bytes / count, engine.clock.monotonic());
}
