/**
 * P4, P6: workers are killed -9 at random while they run jobs. Every job restarts at once on another worker, and no job
 * ever runs twice at the same time.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchDaemon, startDaemon } from "../bench/daemon-process.ts";
import { readJobs } from "./check-store.ts";
import type { WorkerSettings } from "./child-settings.ts";
import { type SoakChild, startClient, startWorker } from "./child.ts";
import { type Execution, findOverlaps, readExecutionLog, restartDelays } from "./execution-log.ts";
import { playRounds, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";
import { untilSucceeded } from "./until-succeeded.ts";

const DEFAULT_ROUNDS = 10;
const JOBS = 30;
const WORKERS = 3;
/** Room for every job on any one worker: what delays a job is its recovery, never a lack of slots. */
const CONCURRENCY = JOBS * 2;
const KILLS = 3;
/** A worker on the daemon's own host: its death is seen, not waited for. */
const RESTART_WITHIN_MS = 2_000;
const FINISH_WITHIN_MS = 60_000;
const SUCCESS = 3;

/** The verdict after all rounds, on one daemon. */
export async function soakWorkerKills(context: SoakContext): Promise<Verdict> {
  const faults: string[] = [];
  const delays: number[] = [];
  const db = join(context.directory, "workers.db");
  const daemon = await startDaemon(context.executable, db);
  const playRound = async (round: number): Promise<void> => {
    const functionName = `soak:workers:round-${round}`;
    const executions = await runUnderKills(context, daemon, functionName, round);
    const restarts = restartDelays(executions);
    const found = [...findOverlaps(executions), ...checkRestarts(restarts), ...checkEnds(db, functionName, executions)];
    faults.push(...found.map((fault) => `round ${round}: ${fault}`));
    delays.push(...restarts.map((delay) => delay ?? Number.POSITIVE_INFINITY));
    context.progress(
      `workers, round ${round}: ${executions.length} executions of ${JOBS} jobs, ${restarts.length} cut off, again ` +
        `within ${Math.max(0, ...restarts.map(Number))} ms${found.length === 0 ? "" : `, ${found.length} FAULTS`}`,
    );
  };
  let rounds: number;
  try {
    rounds = await playRounds(context, DEFAULT_ROUNDS, playRound);
  } finally {
    await daemon.kill();
  }
  if (delays.length === 0) faults.push("no handler was ever cut off by a kill: nothing was shown");
  return verdictOf(
    "P6 a dead worker's jobs run again at once, P4 and never twice at a time",
    `${rounds} rounds, ${delays.length} handlers cut off by ${rounds * KILLS} kills, each began again within ${Math.max(0, ...delays)} ms`,
    faults,
  );
}

async function runUnderKills(
  context: SoakContext,
  daemon: BenchDaemon,
  functionName: string,
  round: number,
): Promise<readonly Execution[]> {
  const log = join(context.directory, `workers-${round}.log`);
  const settings: WorkerSettings = {
    address: daemon.address,
    functionName,
    concurrency: CONCURRENCY,
    minMs: 400,
    maxMs: 1_500,
    log,
  };
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => startWorker(settings)));
  const kills = new Map<number, number>();
  try {
    await enqueueJobs(context, daemon, functionName, round);
    for (let kill = 0; kill < KILLS; kill++) {
      await Bun.sleep(context.random.between(100, 700));
      await replaceOne(context, workers, settings, kills);
    }
    await untilSucceeded(daemon.address, functionName, JOBS, FINISH_WITHIN_MS);
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
  }
  return readExecutionLog(existsSync(log) ? readFileSync(log, "utf8") : "", kills);
}

async function enqueueJobs(
  context: SoakContext,
  { address }: BenchDaemon,
  functionName: string,
  round: number,
): Promise<void> {
  const log = join(context.directory, `workers-enqueue-${round}.log`);
  const client = startClient({ address, functionName, clients: ["c"], inFlight: 1, log, count: JOBS });
  const exitCode = await client.exited;
  if (exitCode !== 0) throw new Error(`the client failed:\n${client.output}`);
}

async function replaceOne(
  context: SoakContext,
  workers: SoakChild[],
  settings: WorkerSettings,
  kills: Map<number, number>,
): Promise<void> {
  const victim = context.random.pick(workers);
  // Before the signal: the daemon may hand the jobs on before we hear that the process is gone.
  kills.set(victim.pid, Date.now());
  await victim.kill();
  workers[workers.indexOf(victim)] = await startWorker(settings);
}

function checkRestarts(delays: readonly (number | null)[]): readonly string[] {
  return delays.flatMap((delay) => {
    if (delay === null) return ["a handler was cut off and its job never began again"];
    return delay <= RESTART_WITHIN_MS ? [] : [`a job began again ${delay} ms after its worker was killed`];
  });
}

function checkEnds(db: string, functionName: string, executions: readonly Execution[]): readonly string[] {
  const jobs = readJobs(db, functionName);
  const finished = Map.groupBy(
    executions.filter((one) => one.endedAt !== null && !one.wasKilled),
    (one) => one.jobId,
  );
  const faults = jobs.flatMap((job) => {
    const runs = finished.get(job.jobId)?.length ?? 0;
    if (job.state !== SUCCESS) return [`job ${job.jobId} is in state ${job.state}`];
    if (job.failures !== 0) return [`job ${job.jobId}: the kills used up ${job.failures} of its attempts`];
    return runs === 1 ? [] : [`job ${job.jobId} ran to its end ${runs} times`];
  });
  return jobs.length === JOBS ? faults : [...faults, `${jobs.length} jobs are stored, not ${JOBS}`];
}
