/** P7, P2: the daemon is killed -9 and started again at random while workers run jobs and a client enqueues more. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchDaemon, freePort, startDaemon } from "../bench/daemon-process.ts";
import { readJobs, readStoreReport } from "./check-store.ts";
import { type SoakChild, startClient, startWorker } from "./child.ts";
import { compareWithStore, readEnqueueLog } from "./enqueue-log.ts";
import { type Execution, readExecutionLog } from "./execution-log.ts";
import { playRounds, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";
import { untilSucceeded } from "./until-succeeded.ts";

const DEFAULT_ROUNDS = 5;
const JOBS = 50;
const WORKERS = 2;
const KILLS = 3;
const QUEUED = 400;
const FINISH_WITHIN_MS = 60_000;
const SUCCESS = 3;

/** Both verdicts, after all rounds. */
export async function soakDaemonKills(context: SoakContext): Promise<readonly Verdict[]> {
  const executionFaults: string[] = [];
  const enqueueFaults: string[] = [];
  const rounds = await playRounds(context, DEFAULT_ROUNDS, async (round) => {
    const played = await playRound(context, round);
    executionFaults.push(...played.executionFaults.map((fault) => `round ${round}: ${fault}`));
    enqueueFaults.push(...played.enqueueFaults.map((fault) => `round ${round}: ${fault}`));
    const count = played.executionFaults.length + played.enqueueFaults.length;
    context.progress(
      `daemon, round ${round}: ${JOBS} running jobs and ${QUEUED} calls over ${KILLS} kills` +
        (count === 0 ? "" : `, ${count} FAULTS`),
    );
  });
  return [
    verdictOf(
      "P7 a daemon that is killed and started again re-runs nothing that live workers hold",
      `${rounds} rounds, ${rounds * JOBS} jobs that ran through ${rounds * KILLS} kills of the daemon, each ran once`,
      executionFaults,
    ),
    verdictOf(
      "P2 a call whose answer was lost is stored once, and the client's own repetition gets the same job",
      `${rounds} rounds, ${rounds * QUEUED} calls made through the kills, all acknowledged, each stored once`,
      enqueueFaults,
    ),
  ];
}

interface Played {
  readonly executionFaults: readonly string[];
  readonly enqueueFaults: readonly string[];
}

async function playRound(context: SoakContext, round: number): Promise<Played> {
  const db = join(context.directory, `daemon-${round}.db`);
  const running = "soak:daemon:running";
  const queued = "soak:daemon:queued";
  const log = (name: string): string => join(context.directory, `daemon-${round}-${name}.log`);
  const stage: Stage = { daemon: await startDaemon(context.executable, db, { port: await freePort() }), children: [] };
  try {
    await startWork(stage, running, log("executions"), log("enqueue"));
    const client = enqueueThrough(stage, queued, log("queued"));
    for (let kill = 0; kill < KILLS; kill++) await restart(context, stage, db);
    await untilSucceeded(stage.daemon.address, running, JOBS, FINISH_WITHIN_MS);
    const exitCode = await client.exited;
    const failed = exitCode === 0 ? [] : [`the client ended with ${exitCode}:\n${client.output}`];
    await endAll(stage);
    const executions = readExecutionLog(readFileSync(log("executions"), "utf8"), new Map());
    return {
      executionFaults: checkExecutions(db, running, executions),
      enqueueFaults: [...failed, ...checkQueued(db, queued, log("queued"))],
    };
  } finally {
    await endAll(stage);
  }
}

interface Stage {
  daemon: BenchDaemon;
  readonly children: SoakChild[];
}

async function startWork(stage: Stage, functionName: string, executions: string, enqueueLog: string): Promise<void> {
  const { address } = stage.daemon;
  const worker = { address, functionName, concurrency: JOBS, minMs: 3_000, maxMs: 5_000, log: executions };
  stage.children.push(...(await Promise.all(Array.from({ length: WORKERS }, () => startWorker(worker)))));
  const client = startClient({ address, functionName, clients: ["c"], inFlight: 8, log: enqueueLog, count: JOBS });
  stage.children.push(client);
  if ((await client.exited) !== 0) throw new Error(`the client failed:\n${client.output}`);
}

/** Slow enough that every kill of the daemon hits calls under way. */
function enqueueThrough(stage: Stage, functionName: string, log: string): SoakChild {
  const client = startClient({
    address: stage.daemon.address,
    functionName,
    clients: ["d", "e"],
    inFlight: 2,
    log,
    count: QUEUED / 2,
    pauseMs: 10,
  });
  stage.children.push(client);
  return client;
}

async function restart(context: SoakContext, stage: Stage, db: string): Promise<void> {
  await Bun.sleep(context.random.between(100, 700));
  await stage.daemon.kill();
  await Bun.sleep(context.random.between(0, 300));
  stage.daemon = await startDaemon(context.executable, db, { port: stage.daemon.port });
}

async function endAll(stage: Stage): Promise<void> {
  await Promise.all([stage.daemon.kill(), ...stage.children.map((child) => child.kill())]);
}

function checkExecutions(db: string, functionName: string, executions: readonly Execution[]): readonly string[] {
  const byJob = Map.groupBy(executions, (one) => one.jobId);
  const jobs = readJobs(db, functionName);
  const faults = jobs.flatMap((job) => {
    const runs = byJob.get(job.jobId)?.length ?? 0;
    if (runs !== 1) return [`job ${job.jobId} was executed ${runs} times`];
    if (job.state !== SUCCESS || job.attempt !== 1 || job.losses !== 0) {
      return [`job ${job.jobId}: state ${job.state}, attempt ${job.attempt}, ${job.losses} losses`];
    }
    return [];
  });
  return jobs.length === JOBS ? faults : [...faults, `${jobs.length} jobs are stored, not ${JOBS}`];
}

function checkQueued(db: string, functionName: string, log: string): readonly string[] {
  const written = readEnqueueLog(readFileSync(log, "utf8"));
  const report = readStoreReport(db, functionName);
  const unanswered = QUEUED - written.acknowledged.size;
  return [
    ...report.faults,
    ...compareWithStore(written, report.calls),
    ...(unanswered === 0 ? [] : [`${unanswered} of ${QUEUED} calls were never acknowledged`]),
  ];
}
