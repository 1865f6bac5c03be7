import type { Guard } from "../../guard.ts";
import type { NewWorker, SeenWorker, WorkerLease, WorkerReads, WorkerWrites } from "../../seam/workers.ts";
import { readText, storedText, textArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";

const SAVE = `insert into reseolio.workers (worker_id, node_id, host, host_id, pid, process_start, function_names,
    concurrency, client, connected_at, lease_expires_at)
  values ($1, $2, $3, $4, $5::bigint, $6, $7, $8::bigint, $9, reseolio.now_ms(), reseolio.now_ms() + $10::bigint)
  on conflict (worker_id) do update set node_id = excluded.node_id, host = excluded.host, host_id = excluded.host_id,
    pid = excluded.pid, process_start = excluded.process_start, function_names = excluded.function_names,
    concurrency = excluded.concurrency, client = excluded.client, connected_at = excluded.connected_at,
    lease_expires_at = excluded.lease_expires_at`;

const RENEW = `update reseolio.workers as worker set lease_expires_at = (select reseolio.now_ms()) + $2::bigint
  from unnest($1::text[]) as given (worker_id) where worker.worker_id = given.worker_id and worker.node_id = $3
  returning worker.worker_id`;

const REMOVE = `delete from reseolio.workers
  where worker_id = $1 and node_id = $2 and lease_expires_at = $3::bigint returning 1`;

const LEASES = `select job.id, job.lease_token, job.worker_id from reseolio.jobs as job
  where job.worker_id = any ($1::text[]) and job.state = 1`;

/** The part of one transaction. */
export function workerWrites({ runner, reader }: WriteSession, guard: Guard): WorkerWrites {
  return {
    save: guard((worker, leaseMs) => saveWorker(runner, worker, leaseMs)),
    renew: guard((nodeId, workerIds, leaseMs) => renewWorkers(runner, nodeId, workerIds, leaseMs)),
    remove: guard((seen) => removeWorker(runner, seen)),
    listLeases: guard((workerIds) => listLeases(runner, workerIds)),
    list: guard(() => reader.listWorkers()),
  };
}

export function workerReads(reader: JobReader, guard: Guard): WorkerReads {
  return {
    list: guard(() => reader.listWorkers()),
    countLeases: guard(() => reader.countLeases()),
  };
}

async function saveWorker(runner: Runner, worker: NewWorker, leaseMs: number): Promise<void> {
  const { workerId, nodeId, host, hostId, pid, processStart, functionNames, concurrency, client } = worker;
  await runner.rows(SAVE, [
    ...[workerId, nodeId, host, hostId].map(storedText),
    pid,
    storedText(processStart),
    JSON.stringify(functionNames),
    concurrency,
    storedText(client),
    Math.ceil(leaseMs),
  ]);
}

/** Returns the ids of workers that do not exist, or are not this daemon's. */
async function renewWorkers(
  runner: Runner,
  nodeId: string,
  workerIds: readonly string[],
  leaseMs: number,
): Promise<readonly string[]> {
  if (workerIds.length === 0) return [];
  const params = [textArray([...workerIds].sort()), Math.ceil(leaseMs), storedText(nodeId)];
  const renewed = new Set((await runner.rows(RENEW, params)).map((row) => row[0] as string));
  return workerIds.filter((workerId) => !renewed.has(storedText(workerId)));
}

/** False when the row has changed since it was seen. */
async function removeWorker(runner: Runner, { workerId, nodeId, leaseExpiresAt }: SeenWorker): Promise<boolean> {
  return (await runner.rows(REMOVE, [storedText(workerId), storedText(nodeId), leaseExpiresAt])).length > 0;
}

async function listLeases(runner: Runner, workerIds: readonly string[]): Promise<readonly WorkerLease[]> {
  if (workerIds.length === 0) return [];
  const rows = await runner.rows(LEASES, [textArray(workerIds)]);
  return rows.map(([jobId, leaseToken, workerId]) => ({
    jobId: jobId as string,
    leaseToken: leaseToken as number,
    workerId: readText(workerId as string),
  }));
}
