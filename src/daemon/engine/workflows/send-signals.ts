import type { SignalOutcome, SignalToStore } from "../../storage/signal-store.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
import { wakeJobs } from "./wake-jobs.ts";

/** All signals of a commit at once, behind its parks: what these wait for may be among them. */
export async function sendSignals(
  lane: LaneTransaction,
  signals: readonly SignalToStore[],
): Promise<readonly SignalOutcome[]> {
  const { outcomes, woken } = await lane.tx.sendSignals(signals);
  await wakeJobs(lane, woken);
  return outcomes;
}
