import { jobNotFound } from "../core/errors.ts";
import type { Job } from "../core/job.ts";
import type { Engine } from "./engine.ts";
import { checkJobId } from "./read-jobs.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface Blocker {
  readonly kind: "no_worker" | "workers_busy" | "delayed" | "backoff" | "running" | "daemon_limit" | "parked";
  readonly message: string;
}

export interface Explanation {
  readonly job: Job;
  /** What holds the job back, most important first; empty for a terminal job, or when it is about to run. */
  readonly blockers: readonly Blocker[];
  /** One sentence for a person. */
  readonly summary: string;
}

/** Why a job is not running, or not finished. Throws not_found. */
export async function explainJob(engine: Engine, jobId: string): Promise<Explanation> {
  checkJobId(jobId, "job_id");
  const job = await engine.store.getJob(jobId);
  if (job === null) throw jobNotFound(jobId);
  const blockers = findBlockers(engine, job);
  return { job, blockers, summary: summarise(job, blockers) };
}

function findBlockers(engine: Engine, job: Job): readonly Blocker[] {
  switch (job.state) {
    case "SUCCESS":
    case "DEAD":
    case "CANCELLED":
      return [];
    case "SUSPENDED":
      return [{ kind: "parked", message: "it is parked until what it awaits happens" }];
    case "RUNNING":
      return [running(engine, job)];
    case "PENDING":
      return [...waitingForTime(engine, job), ...waitingForWorker(engine, job)];
  }
}

function running(engine: Engine, job: Job): Blocker {
  const session = job.workerId === null ? null : engine.dispatcher.findSession(job.workerId);
  const where = session === null ? "whose connection is lost, until its lease ends" : "which is connected";
  return {
    kind: "running",
    message: `attempt ${job.attempt} is leased to worker ${job.workerId ?? "unknown"}, ${where}`,
  };
}

function waitingForTime(engine: Engine, job: Job): readonly Blocker[] {
  const waitMs = job.runAt - engine.clock.now();
  if (waitMs <= 0) return [];
  const until = `until ${new Date(job.runAt).toISOString()}, in ${Math.ceil(waitMs / 1000)} s`;
  if (job.failures === 0) return [{ kind: "delayed", message: `it is delayed ${until}` }];
  const last = job.error === null ? "" : `; the last error was ${job.error.name}: ${job.error.message}`;
  return [
    {
      kind: "backoff",
      message: `it waits for its next attempt ${until}, after ${job.failures} of ${job.maxAttempts} failures${last}`,
    },
  ];
}

function waitingForWorker(engine: Engine, job: Job): readonly Blocker[] {
  const sessions = [...engine.dispatcher.sessions];
  const serving = sessions.filter((session) => session.functionNames.has(job.functionName) && !session.isDraining);
  if (serving.length === 0) return [noWorker(job, sessions)];
  const { maxConcurrent } = engine.settings;
  const runningCount = engine.dispatcher.runningCount();
  if (maxConcurrent > 0 && runningCount >= maxConcurrent) {
    return [
      {
        kind: "daemon_limit",
        message: `the daemon runs ${runningCount} jobs, its limit; raise --max-concurrent (RESEOLIO_MAX_CONCURRENT)`,
      },
    ];
  }
  if (serving.some((session) => session.freeSlots > 0)) return [];
  const slots = serving.reduce((sum, session) => sum + session.concurrency, 0);
  return [
    {
      kind: "workers_busy",
      message: `all ${slots} slots of the ${serving.length} workers that serve ${job.functionName} are busy`,
    },
  ];
}

function noWorker(job: Job, sessions: readonly WorkerSession[]): Blocker {
  const served = [...new Set(sessions.flatMap((session) => [...session.functionNames]))].sort();
  const others =
    served.length === 0
      ? "no worker is connected at all"
      : `connected workers serve ${served.slice(0, 10).join(", ")}${served.length > 10 ? ", …" : ""}`;
  return { kind: "no_worker", message: `no connected worker serves ${job.functionName}; ${others}` };
}

function summarise(job: Job, blockers: readonly Blocker[]): string {
  const name = `job ${job.jobId} of ${job.functionName}`;
  if (blockers.length > 0) return `${name} is ${job.state}: ${blockers.map((one) => one.message).join("; ")}.`;
  const error = job.error === null ? "" : `: ${job.error.name}: ${job.error.message}`;
  switch (job.state) {
    case "SUCCESS":
      return `${name} is SUCCESS since attempt ${job.attempt}; nothing holds it back.`;
    case "DEAD":
      return `${name} is DEAD after ${job.failures} failures and ${job.losses} losses${error}; reseolio jobs retry ${job.jobId} runs it again.`;
    case "CANCELLED":
      return `${name} is CANCELLED${error}; reseolio jobs retry ${job.jobId} runs it again.`;
    case "PENDING":
    case "RUNNING":
    case "SUSPENDED":
      return `${name} is ${job.state} and about to run.`;
  }
}
