import type { EmitOutcome, NewEvent } from "../../storage/seam/events.ts";
import type { Dispatcher } from "../workers/dispatcher.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
import { wakeJobs } from "./wake-jobs.ts";

/** Waits for one event that one commit ends: bounds the time that it takes. */
const EVENT_SLICE = 500;

/** All events of a commit at once. A job that several of them wake is woken once: the second write finds it awake. */
export async function emitEvents(
  lane: LaneTransaction,
  dispatcher: Dispatcher,
  events: readonly NewEvent[],
): Promise<readonly EmitOutcome[]> {
  const outcomes = await lane.tx.events.emit(events, EVENT_SLICE);
  await wakeJobs(
    lane,
    outcomes.flatMap(({ woken }) => woken),
  );
  // The rest is told by the timer, a slice a commit.
  if (outcomes.some(({ waiting }) => waiting > EVENT_SLICE)) dispatcher.onDue(lane.tx.now);
  return outcomes;
}
