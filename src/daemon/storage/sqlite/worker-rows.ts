import type { WorkerToStore } from "../job-store.ts";
import type { WriteSession } from "./write-session.ts";

export interface WorkerRows {
  save(worker: WorkerToStore, leaseMs: number, now: number): void;
  renew(workerIds: readonly string[], leaseMs: number, now: number): readonly string[];
  remove(workerId: string): void;
}

export function prepareWorkerRows({ db }: WriteSession): WorkerRows {
  const save = db.prepare(
    `insert or replace into workers (worker_id, node_id, host, host_id, pid, process_start, function_names,
       concurrency, client, connected_at, lease_expires_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const renew = db.prepare("update workers set lease_expires_at = ? where worker_id = ?");
  const remove = db.prepare("delete from workers where worker_id = ?");

  return {
    save(worker, leaseMs, now) {
      const { workerId, nodeId, host, hostId, pid, processStart, functionNames, concurrency, client } = worker;
      const names = JSON.stringify(functionNames);
      save.run(workerId, nodeId, host, hostId, pid, processStart, names, concurrency, client, now, now + leaseMs);
    },
    renew: (workerIds, leaseMs, now) =>
      workerIds.filter((workerId) => renew.run(now + leaseMs, workerId).changes === 0),
    remove(workerId) {
      remove.run(workerId);
    },
  };
}
