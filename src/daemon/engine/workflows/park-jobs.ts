import type { NewWait, ParkOrder } from "../../core/checkpoint.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { NamesOfJob } from "../../storage/seam/workflows.ts";
import type { Dispatcher } from "../workers/dispatcher.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
import { wakeJobs } from "./wake-jobs.ts";

/** A checked request to park a job under its lease. */
export interface ParkToStore {
  readonly transition: Transition;
  /** Those that the job has not told before, or not by this worker. */
  readonly waits: readonly NewWait[];
  /** All that it waits for now; not empty. */
  readonly waitingNames: readonly string[];
  /** Order of the first of the waits among what the job has. */
  readonly place: number;
  /** The place of what ends until the job goes on; null of a client that keeps none. */
  readonly order: ParkOrder | null;
}

export type ParkOutcome =
  | "parked"
  /** The lease is no longer the worker's. */
  | "stale"
  /** It waits for a name that is no wait, or was recorded as something else: it would wait for ever. */
  | "invalid";

/**
 * Makes jobs SUSPENDED with what they wait for, in the transaction of the lane. A job of which something is over already
 * is woken in the same transaction, so that the claims behind it may resume it.
 */
export async function parkJobs(
  lane: LaneTransaction,
  dispatcher: Dispatcher,
  parks: readonly ParkToStore[],
): Promise<readonly ParkOutcome[]> {
  const known = await lane.tx.workflows.findKinds(parks.map(namesOf));
  const sound = parks.filter((park, index) => isSound(park, known[index] ?? NOTHING));
  const applied = await lane.apply(sound.map(({ transition }) => transition));
  const parked = sound.filter((_, place) => applied[place] === true);
  if (parked.length > 0) await register(lane, dispatcher, parked);
  const outcomes = new Map<ParkToStore, ParkOutcome>(sound.map((park) => [park, "stale"]));
  for (const park of parked) outcomes.set(park, "parked");
  return parks.map((park) => outcomes.get(park) ?? "invalid");
}

async function register(lane: LaneTransaction, dispatcher: Dispatcher, parked: readonly ParkToStore[]): Promise<void> {
  const { over, nextDueAt } = await lane.tx.workflows.park(
    parked.map(({ transition: { jobId, expected }, ...waits }) => ({
      jobId,
      leaseToken: expected.leaseToken,
      ...waits,
    })),
  );
  if (nextDueAt !== null) dispatcher.onDue(nextDueAt);
  await wakeJobs(lane, over);
}

function namesOf({ transition, waits, waitingNames }: ParkToStore): NamesOfJob {
  return { jobId: transition.jobId, names: [...new Set([...waits.map((wait) => wait.name), ...waitingNames])] };
}

function isSound({ waits, waitingNames }: ParkToStore, known: ReadonlyMap<string, string>): boolean {
  const told = new Set(waits.map((wait) => wait.name));
  return (
    waits.every(({ name, kind }) => (known.get(name) ?? kind) === kind) &&
    waitingNames.every((name) => told.has(name) || WAITS.has(known.get(name) ?? ""))
  );
}

const NOTHING: ReadonlyMap<string, string> = new Map();
const WAITS: ReadonlySet<string> = new Set(["sleep", "event", "job", "signal"]);
