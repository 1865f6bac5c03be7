import { decide } from "../../core/job-machine.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { WorkerRecord } from "../../storage/seam/workers.ts";
import type { Engine } from "../engine.ts";
import { applyDecisions } from "../lane/apply-event.ts";

/** A worker as it was judged: null when it has no record. */
export type SeenRecord = Pick<WorkerRecord, "workerId" | "nodeId" | "leaseExpiresAt"> | null;

/**
 * Takes back all leases of a worker that is gone, in one commit with its record: its jobs are claimable again, the
 * attempts count as losses, and whatever it still reports is stale. Nothing is done when it was heard of since: by the
 * record that was judged, or, without one, when another daemon holds its session now. Returns how many leases it held.
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

/** False when the worker is not lost after all. Once it is gone nothing is claimed for it that we do not see. */
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
