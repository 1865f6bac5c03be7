import type { PendingWait } from "../../core/checkpoint.ts";
import type { Job, JobError } from "../../core/job.ts";
import type { Engine } from "../engine.ts";
import { readJob } from "../jobs/read-jobs.ts";
import { findServing, isConnectedElsewhere, type Serving } from "../workers/worker-stats.ts";
import { explainEnd } from "./explain-end.ts";
import { explainWaits } from "./explain-waits.ts";

export interface Blocker {
  readonly kind:
    "no_worker" | "workers_busy" | "delayed" | "backoff" | "mismatch" | "running" | "daemon_limit" | "parked";
  readonly message: string;
}

export interface Explanation {
  readonly job: Job;
  /** Its open waits, while it is SUSPENDED. */
  readonly waits: readonly PendingWait[];
  /** What blocks the job, most important first; empty for a terminal job, or one that is about to run. */
  readonly blockers: readonly Blocker[];
  /** One sentence for people. */
  readonly summary: string;
}

/** Explains why a job is not running, or not finished. Throws not_found. */
export async function explainJob(engine: Engine, jobId: string): Promise<Explanation> {
  const job = await readJob(engine, jobId);
  const waits = job.state === "SUSPENDED" ? await engine.store.workflows.listWaits(jobId) : [];
  const blockers = await findBlockers(engine, job, waits);
  return { job, waits, blockers, summary: await summarise(engine, job, blockers) };
}

async function findBlockers(engine: Engine, job: Job, waits: readonly PendingWait[]): Promise<readonly Blocker[]> {
  switch (job.state) {
    case "SUCCESS":
    case "DEAD":
    case "CANCELLED":
      return [];
    case "SUSPENDED":
      return parkedOn(await explainWaits(engine, job.jobId, waits, (awaited) => firstHindrance(engine, awaited)));
    case "RUNNING":
      return [await running(engine, job)];
    case "PENDING":
      return [...waitingForTime(engine, job), ...(await waitingForWorker(engine, job))];
  }
}

function parkedOn(sentences: readonly string[]): readonly Blocker[] {
  return sentences.map((message) => ({ kind: "parked", message }));
}

/** What blocks an awaited job. If that one is parked, it has an explanation of its own. */
async function firstHindrance(engine: Engine, job: Job): Promise<string | null> {
  if (job.state !== "PENDING") return null;
  return (await findBlockers(engine, job, []))[0]?.message ?? null;
}

async function running(engine: Engine, { attempt, workerId, error }: Job): Promise<Blocker> {
  const where = workerId === null ? "whose connection is unknown" : await whereabouts(engine, workerId);
  // Such a job is retried again and again, so its running at the moment says little.
  const before =
    error?.reason === "replay_mismatch"
      ? `; the previous attempt ended because the job's records do not match its code: ${error.message}`
      : "";
  return {
    kind: "running",
    message: `attempt ${attempt} is leased to worker ${workerId ?? "unknown"}, ${where}${before}`,
  };
}

async function whereabouts(engine: Engine, workerId: string): Promise<string> {
  if (engine.dispatcher.findSession(workerId) !== null) return "which is connected";
  const record = (await engine.store.workers.list()).find((one) => one.workerId === workerId);
  if (record !== undefined && isConnectedElsewhere(engine, record)) return "which is connected to another daemon";
  return "which has disconnected and keeps the job until its lease expires";
}

function waitingForTime(engine: Engine, job: Job): readonly Blocker[] {
  const waitMs = job.runAt - engine.clock.now();
  if (waitMs <= 0) return [];
  if (job.ranMs !== null) return [woken(job)];
  const until = `until ${new Date(job.runAt).toISOString()}, in ${Math.ceil(waitMs / 1000)} s`;
  if (job.error?.reason === "replay_mismatch") return [mismatched(job.error, until)];
  if (job.failures === 0) return [{ kind: "delayed", message: `it is delayed ${until}` }];
  const last = job.error === null ? "" : `; the last error was ${job.error.name}: ${job.error.message}`;
  return [
    {
      kind: "backoff",
      message: `it is waiting for its next attempt ${until}, after ${job.failures} of ${job.maxAttempts} failures${last}`,
    },
  ];
}

function mismatched({ message }: JobError, until: string): Blocker {
  const remedy = "deploy code that matches; the job then continues by itself and has lost no attempt";
  return {
    kind: "mismatch",
    message: `its records do not match its code: ${message}; it is waiting ${until}: ${remedy}`,
  };
}

function woken({ workerId, runAt }: Job): Blocker {
  const others = `on any other worker after ${new Date(runAt).toISOString()}`;
  return {
    kind: "workers_busy",
    message: `it has been woken and resumes when worker ${workerId ?? "unknown"}, which has its handler in memory, has a free slot, or ${others}`,
  };
}

async function waitingForWorker(engine: Engine, job: Job): Promise<readonly Blocker[]> {
  const serving = await findServing(engine, job.functionName);
  if (serving.workers === 0) return [noWorker(job, serving)];
  const { maxConcurrent } = engine.settings;
  const runningCount = engine.dispatcher.runningCount();
  if (maxConcurrent > 0 && runningCount >= maxConcurrent) {
    return [
      {
        kind: "daemon_limit",
        message: `the daemon is running ${runningCount} jobs, which is its limit; raise --max-concurrent (RESEOLIO_MAX_CONCURRENT)`,
      },
    ];
  }
  if (serving.hasFreeSlot) return [];
  const { slots, workers } = serving;
  const all = workers === 1 ? `the worker that serves` : `the ${workers} workers that serve`;
  return [
    {
      kind: "workers_busy",
      message: `all ${slots} slots of ${all} ${job.functionName} are busy; start another worker, or raise its concurrency`,
    },
  ];
}

const MOST_NAMES = 10;

function noWorker(job: Job, { served }: Serving): Blocker {
  const others =
    served.length === 0
      ? "no worker is connected"
      : `connected workers serve ${served.slice(0, MOST_NAMES).join(", ")}${served.length > MOST_NAMES ? ", …" : ""}`;
  return { kind: "no_worker", message: `no connected worker serves ${job.functionName}; ${others}` };
}

async function summarise({ store }: Engine, job: Job, blockers: readonly Blocker[]): Promise<string> {
  const undoing = job.undoOf === null ? "" : `, which undoes steps of job ${job.undoOf},`;
  const name = `job ${job.jobId} of ${job.functionName}${undoing}`;
  if (blockers.length > 0) return `${name} is ${job.state}: ${blockers.map((one) => one.message).join("; ")}.`;
  const error = job.error === null ? "" : `: ${job.error.name}: ${job.error.message}`;
  switch (job.state) {
    case "SUCCESS":
      return `${name} has been SUCCESS since attempt ${job.attempt}; nothing blocks it.`;
    case "DEAD":
      return `${name} is DEAD after ${job.failures} failures and ${job.losses} lost workers${error}; ${await explainEnd(store, job)}.`;
    case "CANCELLED":
      return `${name} is CANCELLED${error}; ${await explainEnd(store, job)}.`;
    case "PENDING":
    case "RUNNING":
    case "SUSPENDED":
      return `${name} is ${job.state} and about to run.`;
  }
}
