import { WIRE_LIMITS } from "#proto/contract.ts";
import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { CliError } from "../exit.ts";
import { durationFlag } from "../flags/parse-flag.ts";
import { interruptible } from "../terminal/interrupt.ts";
import type { Messages } from "../terminal/messages.ts";
import type { Output } from "../terminal/output.ts";
import { formatDuration } from "../text/duration.ts";
import { stateName } from "../text/job-states.ts";
import { endedJobJson, errorLine } from "../views/job-view.ts";
import { withReconnect } from "./reconnect.ts";

export const WAIT_FLAGS = {
  "wait-timeout": {
    type: "string",
    valueHint: "DURATION",
    description: "Stop waiting after this time, with exit code 6; the job continues [no limit]",
  },
} as const;

export interface AwaitOptions {
  readonly messages: Messages;
  /** Null waits without a limit. */
  readonly timeoutMs: number | null;
  /** The daemon has already answered this command, so a lost connection is treated as a restart. [false] */
  readonly wasAlive?: boolean;
  /** Called once for each job, in the order in which they finish; returning false ends the wait. */
  readonly onFinished: (job: Job) => Promise<boolean>;
}

/**
 * Waits until all jobs are in a terminal state, across restarts of the daemon.
 *
 * @throws CliError `not_found` for an unknown ID, `timeout`, or `interrupted` on Ctrl-C; the jobs continue
 */
export async function awaitJobs(client: Client, jobIds: readonly string[], options: AwaitOptions): Promise<void> {
  const waiting = new Set(jobIds);
  const timeout = options.timeoutMs === null ? null : AbortSignal.timeout(options.timeoutMs);
  const explanation = setTimeout(() => void explainWait(client, waiting, options.messages), EXPLAIN_AFTER_MS);
  await interruptible(
    async (interrupt) => {
      const signal = timeout === null ? interrupt : AbortSignal.any([interrupt, timeout]);
      try {
        await withReconnect((alive) => readFinished(client, waiting, signal, alive, options), {
          messages: options.messages,
          signal,
          wasAlive: options.wasAlive ?? false,
        });
      } catch (error) {
        if (timeout?.aborted === true && !interrupt.aborted) throw timedOut(waiting, options.timeoutMs ?? 0);
        throw error;
      }
    },
    () => `interrupted; ${continuesText(waiting)}`,
  ).finally(() => clearTimeout(explanation));
}

const EXPLAIN_AFTER_MS = 2_000;

/** During a long wait for one job, shows what holds it back: most often, no worker serves the function. */
async function explainWait(client: Client, waiting: ReadonlySet<string>, messages: Messages): Promise<void> {
  const [jobId] = waiting;
  if (jobId === undefined || waiting.size > 1) return;
  try {
    const { summary, blockers } = await client.jobs.explainJob({ jobId });
    if (blockers.some((blocker) => blocker.kind !== "running")) messages.info(`still waiting: ${summary}`);
  } catch {
    // If the daemon is unreachable, the wait itself reports it; this hint is optional.
  }
}

async function readFinished(
  client: Client,
  waiting: Set<string>,
  signal: AbortSignal,
  alive: () => void,
  options: AwaitOptions,
): Promise<void> {
  // One stream per slice: jobs of later slices that finish early are read from the store when their turn comes.
  while (waiting.size > 0) {
    const slice = [...waiting].slice(0, WIRE_LIMITS.batchItems);
    await client.daemon.getInfo({}, { signal });
    alive();
    for await (const { job } of client.jobs.awaitJobs({ jobIds: slice }, { signal })) {
      if (job === undefined || !waiting.delete(job.jobId)) continue;
      if (!(await options.onFinished(job))) return;
    }
    if (slice.every((jobId) => waiting.has(jobId)))
      throw new CliError("failed", "the daemon ended the wait without a result");
  }
}

function timedOut(waiting: ReadonlySet<string>, timeoutMs: number): CliError {
  const [first = ""] = waiting;
  const [what, rest] =
    waiting.size === 1 ? [`job ${first}`, "it continues"] : [`${waiting.size} jobs`, "they continue"];
  return new CliError("timeout", `timed out: ${what} did not finish within ${formatDuration(timeoutMs)}; ${rest}`, {
    hint: `to wait again: reseolio jobs wait ${[...waiting].slice(0, 3).join(" ")}${waiting.size > 3 ? " …" : ""}`,
  });
}

function continuesText(waiting: ReadonlySet<string>): string {
  const [first = ""] = waiting;
  return waiting.size === 1 ? `job ${first} continues` : `${waiting.size} jobs continue`;
}

/** Milliseconds of --wait-timeout; null without it. */
export function readWaitTimeout(text: string | undefined): number | null {
  return durationFlag("wait-timeout", text) ?? null;
}

/** The error, with exit code 7, for a job that finished without success. */
export function jobFailure(job: Job): CliError {
  const state = stateName(job.state);
  const error = errorLine(job.error);
  return new CliError("job_failed", `job ${job.jobId} is ${state}${error === "" ? "" : `: ${error}`}`, {
    hint: `reseolio jobs get ${job.jobId} shows its attempts; reseolio jobs retry ${job.jobId} runs it again`,
  });
}

/** The result of a finished job on stdout; with --json the job with its arguments and result. */
export async function printResult(output: Output, job: Job): Promise<void> {
  if (output.isJson) return output.document(endedJobJson(job));
  if (output.format === "ids") return output.text(`${job.jobId}\n`);
  const text = new TextDecoder().decode(job.result);
  return output.text(`${output.safeJson(text === "" ? "null" : text)}\n`);
}
