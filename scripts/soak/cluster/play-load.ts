/** P4 on a cluster: many jobs, many workers, several daemons; each job is run once, by one lease. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Reseolio } from "../../../src/sdk/index.ts";
import { startWorker } from "../child.ts";
import { findOverlaps, readExecutionLog } from "../execution-log.ts";
import { startCluster } from "./cluster.ts";

export interface LoadSettings {
  /** Program and leading arguments of the daemon. */
  readonly command: readonly string[];
  readonly directory: string;
  readonly daemons: number;
  readonly workers: number;
  readonly jobs: number;
  /** Kill -9 of one daemon when half of the jobs are done. */
  readonly killsDaemon: boolean;
  readonly withinMs: number;
}

export interface LoadReport {
  readonly faults: readonly string[];
  readonly executions: number;
  readonly jobsPerSecond: number;
  /** Jobs by the number of the worker process that ran them. */
  readonly perWorker: readonly number[];
}

const FUNCTION = "soak:cluster:job";
const CONCURRENCY = 10;
const BATCH = 500;

export async function playLoad(settings: LoadSettings): Promise<LoadReport> {
  await using owned = new AsyncDisposableStack();
  const cluster = owned.use(
    await startCluster(
      Array.from({ length: settings.daemons }, () => settings.command),
      [],
    ),
  );
  const log = join(settings.directory, "cluster-executions.log");
  const starts = Array.from({ length: settings.workers }, (_, place) =>
    startWorker({
      ...{ address: cluster.addressesFrom(place), functionName: FUNCTION, concurrency: CONCURRENCY },
      ...{ minMs: 0, maxMs: 5, log },
    }),
  );
  const workers = await Promise.all(starts);
  for (const worker of workers) owned.defer(() => worker.kill());
  const clients = await Promise.all(
    cluster.daemons.map(async (_, place) => {
      const client = new Reseolio({ address: cluster.addressesFrom(place), workerConcurrency: 0 });
      await client.start();
      return owned.use(client);
    }),
  );

  const startedAt = performance.now();
  const results = clients.map((client, place) => callAndAwait(client, share(settings.jobs, clients.length, place)));
  if (settings.killsDaemon) {
    await untilExecuted(log, settings.jobs / 2, settings.withinMs);
    cluster.daemons[0]?.kill();
  }
  const jobIds = (await Promise.all(results)).flat();
  const tookMs = performance.now() - startedAt;

  const executions = readExecutionLog(readFileSync(log, "utf8"), new Map());
  const counts = Map.groupBy(executions, ({ jobId }) => jobId);
  const [stored] = await cluster.query(
    `select count(*)::int as jobs, count(*) filter (where state = 3 and attempt = 1)::int as once,
       (select count(*)::int from reseolio.attempts) as failed from reseolio.jobs`,
  );
  const twice = [...counts]
    .filter(([, runs]) => runs.length > 1)
    .map(([jobId, runs]) => `${jobId} ran ${runs.length} times`);
  const never = jobIds.filter((jobId) => !counts.has(jobId)).map((jobId) => `${jobId} never ran`);
  const isRight = stored?.["jobs"] === settings.jobs && stored["once"] === settings.jobs && stored["failed"] === 0;
  return {
    faults: [
      ...findOverlaps(executions),
      ...twice,
      ...never,
      ...(isRight ? [] : [`stored: ${JSON.stringify(stored)}`]),
    ],
    executions: executions.length,
    jobsPerSecond: Math.round(settings.jobs / (tookMs / 1000)),
    perWorker: [...Map.groupBy(executions, ({ pid }) => pid).values()].map((runs) => runs.length),
  };
}

function share(jobs: number, parts: number, place: number): number {
  return Math.floor(jobs / parts) + (place < jobs % parts ? 1 : 0);
}

/** Ends when each of them has its result. */
async function callAndAwait(client: Reseolio, count: number): Promise<readonly string[]> {
  const jobIds: string[] = [];
  const results: Promise<unknown>[] = [];
  while (jobIds.length < count) {
    const size = Math.min(BATCH, count - jobIds.length);
    const jobs = await Promise.all(Array.from({ length: size }, () => client.enqueue(FUNCTION)));
    for (const job of jobs) {
      jobIds.push(job.jobId);
      results.push(job.result());
    }
  }
  await Promise.all(results);
  return jobIds;
}

async function untilExecuted(log: string, count: number, withinMs: number): Promise<void> {
  const endAt = performance.now() + withinMs;
  while (readExecutionLog(readFileSync(log, "utf8"), new Map()).length < count) {
    if (performance.now() > endAt) throw new Error(`fewer than ${count} jobs ran within ${withinMs} ms`);
    await Bun.sleep(100);
  }
}
