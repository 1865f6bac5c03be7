import type { SignalOutcome, NewSignal } from "../../storage/seam/workflows.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
import { wakeJobs } from "./wake-jobs.ts";

/** All signals of a commit at once, behind its parks: what these wait for may be among them. */
export async function sendSignals(
  lane: LaneTransaction,
  signals: readonly NewSignal[],
): Promise<readonly SignalOutcome[]> {
  const { outcomes, woken } = await lane.tx.workflows.sendSignals(signals);
  await wakeJobs(lane, woken);
  return outcomes;
}
