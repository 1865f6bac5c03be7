import { decide } from "../../core/job-machine.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { WorkerRecord } from "../../storage/seam/workers.ts";
import type { Engine } from "../engine.ts";
import { applyDecisions } from "../lane/lane-transaction.ts";

/** The record on which the loss was decided; null when the worker has none. */
export type SeenRecord = Pick<WorkerRecord, "workerId" | "nodeId" | "leaseExpiresAt"> | null;

/**
 * Revokes all leases of a worker that is gone and deletes its record, in one commit: its jobs are claimable again, the
 * attempts count as losses, and its later reports are stale. Does nothing if the worker has reappeared: when the record
 * has changed since it was judged, or, without one, when another daemon holds its session. Returns how many leases it
 * held.
 */
export async function loseWorker(engine: Engine, workerId: string, judged?: SeenRecord): Promise<number> {
  const session = engine.dispatcher.findSession(workerId);
  if (session !== null) {
    engine.dispatcher.removeSession(session);
    session.port.end();
  }
  return engine.lane.run(async (lane) => {
    if (!(await removeRecord(engine, lane.tx, workerId, judged))) return 0;
    const jobs = await lane.tx.jobs.listLeased(workerId);
    const lost = await applyDecisions(
      lane,
      jobs.map((job) => decide(job, { kind: "lose" }, engine.settings, 0)),
    );
    return lost.length;
  });
}

/** False if the worker reappeared. After the delete no claim for it can go unseen. */
async function removeRecord(
  engine: Engine,
  tx: Transaction,
  workerId: string,
  judged: SeenRecord | undefined,
): Promise<boolean> {
  if (judged !== undefined && judged !== null) return tx.workers.remove(judged);
  const record = (await tx.workers.list()).find((one) => one.workerId === workerId);
  if (record === undefined) return true;
  if (judged === null || record.nodeId !== engine.settings.nodeId) return false;
  return tx.workers.remove(record);
}
