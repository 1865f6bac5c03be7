import type { Guard } from "../../guard.ts";
import type { NewWorker, SeenWorker, WorkerLease, WorkerReads, WorkerWrites } from "../../seam/workers.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";

const SAVE = `insert or replace into workers (worker_id, node_id, host, host_id, pid, process_start, function_names,
    concurrency, client, connected_at, lease_expires_at)
  values ($workerId, $nodeId, $host, $hostId, $pid, $processStart, $functionNames,
    $concurrency, $client, $connectedAt, $leaseExpiresAt)`;

const RENEW = "update workers set lease_expires_at = ? where worker_id = ? and node_id = ?";

const REMOVE = "delete from workers where worker_id = ? and node_id = ? and lease_expires_at = ?";

/**
 * @param reader on the writer's connection
 * @returns what makes the part of one transaction
 */
export function prepareWorkerWrites(session: WriteSession, reader: JobReader): (guard: Guard) => WorkerWrites {
  const save = prepareSave(session);
  const renew = session.db.prepare(RENEW);
  const remove = session.db.prepare(REMOVE);
  return (guard) => ({
    save: guard(save),
    renew: guard((nodeId, workerIds, leaseMs) =>
      workerIds.filter((workerId) => renew.run(session.now + leaseMs, workerId, nodeId).changes === 0),
    ),
    remove: guard(
      ({ workerId, nodeId, leaseExpiresAt }: SeenWorker) => remove.run(workerId, nodeId, leaseExpiresAt).changes > 0,
    ),
    listLeases: guard((workerIds) => listLeases(session, reader, workerIds)),
    list: guard(() => reader.listWorkers()),
  });
}

/** @param reader on the connection that reads */
export function prepareWorkerReads({ running }: WriteSession, reader: JobReader, guard: Guard): WorkerReads {
  return {
    list: guard(() => reader.listWorkers()),
    countLeases: guard(() => [...running.countByWorker()].map(([workerId, count]) => ({ workerId, count }))),
  };
}

function prepareSave(session: WriteSession): (worker: NewWorker, leaseMs: number) => void {
  const save = session.db.prepare(SAVE);
  return (worker, leaseMs) => {
    save.run({
      $workerId: worker.workerId,
      $nodeId: worker.nodeId,
      $host: worker.host,
      $hostId: worker.hostId,
      $pid: worker.pid,
      $processStart: worker.processStart,
      $functionNames: JSON.stringify(worker.functionNames),
      $concurrency: worker.concurrency,
      $client: worker.client,
      $connectedAt: session.now,
      $leaseExpiresAt: session.now + leaseMs,
    });
  };
}

function listLeases(
  { running }: WriteSession,
  reader: JobReader,
  workerIds: readonly string[],
): readonly WorkerLease[] {
  const wanted = new Set(workerIds);
  const jobIds = [...wanted].flatMap((workerId) => running.ofWorker(workerId));
  return reader.getSnapshots(jobIds).flatMap(({ jobId, leaseToken, state, workerId }) => {
    const isLeased = state === "RUNNING" && workerId !== null && wanted.has(workerId);
    return isLeased ? [{ jobId, leaseToken, workerId }] : [];
  });
}
