import type { JobState } from "../../core/job.ts";
import type { EnqueueOutcome, NewJob } from "../../storage/seam/jobs.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";

/**
 * Stores new jobs, except children of jobs that are CANCELLED or DEAD: nobody would read their results, and the
 * cancellation has already looked for children. A call that was stored before is answered as usual.
 */
export async function storeCalls(
  { tx, enqueue }: LaneTransaction,
  items: readonly NewJob[],
): Promise<readonly EnqueueOutcome[]> {
  const ended = await findEnded(tx, items);
  if (ended.size === 0) return enqueue(items);
  const refusals = items.map((item) => refusalOf(item, ended));
  const stored = await enqueue(items.filter((_, index) => refusals[index] === null));
  const found = await tx.jobs.findEnqueued(items.filter((_, index) => refusals[index] !== null));
  let [nextStored, nextFound] = [0, 0];
  return refusals.map((refusal) =>
    refusal === null ? (stored[nextStored++] as EnqueueOutcome) : (found[nextFound++] ?? refusal),
  );
}

/** The refusal of a call; null when it may be stored. */
function refusalOf({ parentId }: NewJob, ended: ReadonlyMap<string, JobState>): EnqueueOutcome | null {
  const id = parentId?.toLowerCase() ?? "";
  const state = ended.get(id);
  return state === undefined ? null : { kind: "orphaned", parentId: id, state };
}

/** Finds parents that are CANCELLED or DEAD. The read locks them until the transaction ends. */
async function findEnded(tx: Transaction, items: readonly NewJob[]): Promise<ReadonlyMap<string, JobState>> {
  const parentIds = new Set(items.flatMap(({ parentId }) => (parentId === null ? [] : [parentId.toLowerCase()])));
  if (parentIds.size === 0) return new Map();
  const parents = await tx.jobs.getMany([...parentIds]);
  const ended = parents.filter(({ state }) => state === "CANCELLED" || state === "DEAD");
  return new Map(ended.map(({ jobId, state }) => [jobId, state]));
}
