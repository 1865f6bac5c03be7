import type { WorkerRecord, WorkerToStore } from "../job-store.ts";
import type { WriteSession } from "./write-session.ts";

export interface WorkerRows {
  save(worker: WorkerToStore, leaseMs: number, now: number): void;
  /** Returns those that are not there, or not this daemon's. */
  renew(nodeId: string, workerIds: readonly string[], leaseMs: number, now: number): readonly string[];
  /** False when it is not as it was seen. */
  remove(seen: Pick<WorkerRecord, "workerId" | "nodeId" | "leaseExpiresAt">): boolean;
}

export function prepareWorkerRows({ db }: WriteSession): WorkerRows {
  const save = db.prepare(
    `insert or replace into workers (worker_id, node_id, host, host_id, pid, process_start, function_names,
       concurrency, client, connected_at, lease_expires_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const renew = db.prepare("update workers set lease_expires_at = ? where worker_id = ? and node_id = ?");
  const remove = db.prepare("delete from workers where worker_id = ? and node_id = ? and lease_expires_at = ?");

  return {
    save(worker, leaseMs, now) {
      const { workerId, nodeId, host, hostId, pid, processStart, functionNames, concurrency, client } = worker;
      const names = JSON.stringify(functionNames);
      save.run(workerId, nodeId, host, hostId, pid, processStart, names, concurrency, client, now, now + leaseMs);
    },
    renew: (nodeId, workerIds, leaseMs, now) =>
      workerIds.filter((workerId) => renew.run(now + leaseMs, workerId, nodeId).changes === 0),
    remove: ({ workerId, nodeId, leaseExpiresAt }) => remove.run(workerId, nodeId, leaseExpiresAt).changes > 0,
  };
}
