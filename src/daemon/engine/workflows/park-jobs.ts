import type { NewWait, ParkOrder } from "../../core/checkpoint.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { NamesOfJob } from "../../storage/seam/workflows.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import { wakeJobs } from "./wake-jobs.ts";

/** What a job waits for, checked. */
export interface Park {
  /** Waits that the job has not reported before, or not through this worker. */
  readonly waits: readonly NewWait[];
  /** Names of everything that it waits for now; not empty. */
  readonly waitingNames: readonly string[];
  /** Ordinal of the first new wait among the job's checkpoints and waits. */
  readonly place: number;
  /** The place in the sequence of what ends while the job is parked; null from a client that records no order. */
  readonly order: ParkOrder | null;
}

/** A job to be parked under its lease. */
export interface ParkRequest {
  readonly transition: Transition;
  readonly park: Park;
}

export type ParkOutcome =
  | "applied"
  /** The lease is no longer the worker's. */
  | "stale"
  /** It waits for a name that is not a wait, or was recorded as something else: it would wait forever. */
  | "invalid";

/**
 * Makes jobs SUSPENDED and registers their waits. A job with a wait that has already ended is woken in the same
 * transaction, so that the claims at its end may resume it.
 */
export async function parkJobs(
  lane: LaneTransaction,
  requests: readonly ParkRequest[],
): Promise<readonly ParkOutcome[]> {
  const known = await lane.tx.workflows.findKinds(requests.map(namesOf));
  const valid = requests.filter(({ park }, index) => isValid(park, known[index] ?? NOTHING));
  const applied = await lane.apply(valid.map(({ transition }) => transition));
  const parked = valid.filter((_, index) => applied[index] === true);
  if (parked.length > 0) await register(lane, parked);
  const outcomes = new Map<ParkRequest, ParkOutcome>(valid.map((request) => [request, "stale"]));
  for (const request of parked) outcomes.set(request, "applied");
  return requests.map((request) => outcomes.get(request) ?? "invalid");
}

async function register(lane: LaneTransaction, parked: readonly ParkRequest[]): Promise<void> {
  const { over, nextDueAt } = await lane.tx.workflows.park(
    parked.map(({ transition: { jobId, expected }, park }) => ({
      jobId,
      leaseToken: expected.leaseToken,
      ...park,
    })),
  );
  if (nextDueAt !== null) lane.expectDue(nextDueAt);
  await wakeJobs(lane, over);
}

function namesOf({ transition, park: { waits, waitingNames } }: ParkRequest): NamesOfJob {
  return { jobId: transition.jobId, names: [...new Set([...waits.map((wait) => wait.name), ...waitingNames])] };
}

function isValid({ waits, waitingNames }: Park, known: ReadonlyMap<string, string>): boolean {
  const sent = new Set(waits.map((wait) => wait.name));
  return (
    waits.every(({ name, kind }) => (known.get(name) ?? kind) === kind) &&
    waitingNames.every((name) => sent.has(name) || WAITS.has(known.get(name) ?? ""))
  );
}

const NOTHING: ReadonlyMap<string, string> = new Map();
const WAITS: ReadonlySet<string> = new Set(["sleep", "event", "job", "signal"]);
