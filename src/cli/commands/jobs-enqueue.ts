import type { EnqueuedJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { awaitJobs, jobFailure, printResult, readWaitTimeout, WAIT_FLAGS } from "../calls/await-jobs.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { enqueueLines, type LineOutcome } from "../calls/enqueue-lines.ts";
import { enqueueBatch, newJob, type NewJobInit } from "../calls/enqueue.ts";
import { cliErrorFromStatus } from "../calls/rpc-errors.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { checkNewJob } from "../flags/check-new-job.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { JOB_OPTION_FLAGS, readJobOptions } from "../flags/job-options.ts";
import { argsBytes, fileLines, readTextFlag, stdinLines } from "../flags/read-input.ts";
import type { Progress } from "../terminal/messages.ts";
import type { Listing } from "../terminal/output.ts";
import { counted } from "../text/counted.ts";
import { stateName } from "../text/job-states.ts";
import { endedJobJson } from "../views/job-view.ts";

const FLAGS = {
  args: {
    type: "string",
    valueHint: "JSON|@FILE|-",
    description: "Arguments as a JSON array, from a file, or from stdin [none]",
  },
  wait: { type: "boolean", description: "Wait until the job has finished and print its result" },
  ...WAIT_FLAGS,
  ...JOB_OPTION_FLAGS,
  jsonl: { type: "string", valueHint: "FILE|-", description: "Enqueue one job per line of a file or stdin" },
  json: FORMAT_FLAGS.json,
  quiet: FORMAT_FLAGS.quiet,
  raw: FORMAT_FLAGS.raw,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

/** Prints the job's ID, or with --wait its result. An acknowledged job is on disk. */
export const jobsEnqueue = defineCommand({
  meta: {
    name: "jobs enqueue",
    description: "Enqueue a job: a durable call of a function. Once this command exits with 0, the job is on disk.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Function to call, such as orders:payment:charge" }],
  examples: [
    { command: `reseolio jobs enqueue mail:send --args '["a@b.c", "Hello"]'`, does: "enqueue a job and print its ID" },
    {
      command: `reseolio jobs enqueue demo:shell:upper --args '["hello"]' --wait`,
      does: "enqueue a job, wait for it and print its result",
    },
    {
      command: "reseolio jobs enqueue report:build --run-at 2026-12-01T06:00:00Z --idempotency-key december",
      does: "run it later, and only once",
    },
    { command: "reseolio jobs enqueue --jsonl calls.jsonl", does: "enqueue many jobs, one per line" },
  ],
  notes: [
    `Format of a --jsonl line: {"function":"mail:send","args":["a@b.c"],"options":{"maxAttempts":5,"delayMs":1000}}. NAME is the default for "function", and the option flags are defaults for "options". Invalid lines are reported on stderr (with --json, in the document), the others are enqueued, and the exit code is 1. This command chooses the job IDs, so it can retry after a lost response without enqueueing a job twice.`,
    "Exit codes: 6 the wait timed out, 7 the awaited job is DEAD or CANCELLED, 8 the key is in use and --on-duplicate is reject, 130 the wait was interrupted. After 6 and 130 the job continues.",
  ],
  run: (context) =>
    context.flags.jsonl === undefined ? enqueueOne(context) : enqueueMany(context, context.flags.jsonl),
});

async function enqueueOne(context: Context): Promise<void> {
  const { flags } = context;
  const job = await readJob(context);
  const waitMs = readWait(flags);
  await withClient(context, async (client) => {
    const jobId = await send(client, job, context, flags.wait);
    if (!flags.wait) return;
    await awaitJobs(client, [jobId], {
      messages: context.messages,
      timeoutMs: waitMs,
      wasAlive: true,
      onFinished: async (finished) => {
        if (stateName(finished.state) !== "SUCCESS") {
          if (context.output.isJson) await context.output.document(endedJobJson(finished));
          throw jobFailure(finished);
        }
        await printResult(context.output, finished);
        return true;
      },
    });
  });
}

async function readJob({ flags, operands, messages }: Context): Promise<NewJobInit> {
  const [name] = operands;
  if (name === undefined) {
    throw usageError("missing argument NAME: the function to call", "see reseolio jobs enqueue --help");
  }
  const options = readJobOptions(flags);
  const args = argsBytes(await readTextFlag("--args", flags.args ?? "[]", (text) => messages.info(text)), "--args");
  checkNewJob(name, args, "");
  return newJob(name, args, options);
}

function readWait(flags: Context["flags"]): number | null {
  if (flags["wait-timeout"] !== undefined && !flags.wait) throw usageError("--wait-timeout requires --wait");
  return readWaitTimeout(flags["wait-timeout"]);
}

async function send(client: Client, job: NewJobInit, context: Context, waits: boolean): Promise<string> {
  const [item] = await enqueueBatch(client, [job]);
  if (item?.result.case !== "job") {
    throw cliErrorFromStatus(item?.result.value ?? { code: 13, message: "the daemon returned no result for the job" });
  }
  const enqueued = item.result.value;
  const jobId = enqueued.jobId === "" ? job.jobId : enqueued.jobId;
  if (enqueued.deduplicated) {
    const differ = enqueued.argsDiffer ? ", with different arguments" : "";
    context.messages.warn(
      `a job with this idempotency key already exists: it is ${stateName(enqueued.state)}${differ}`,
    );
  }
  if (!waits) await printEnqueued(context, enqueuedJson(job.functionName ?? "", jobId, enqueued), jobId);
  else if (context.output.interactive) context.messages.info(`enqueued ${jobId}; waiting for it to finish`);
  return jobId;
}

function printEnqueued({ output }: Context, json: unknown, jobId: string): Promise<void> {
  return output.isJson ? output.document(json) : output.text(`${jobId}\n`);
}

function enqueuedJson(functionName: string, jobId: string, job: EnqueuedJob): Record<string, unknown> {
  return {
    jobId,
    functionName,
    deduplicated: job.deduplicated,
    argsDiffer: job.argsDiffer,
    state: job.deduplicated ? stateName(job.state) : null,
  };
}

const LINES: Listing<LineOutcome> = {
  name: "jobs",
  columns: [{ header: "ID", value: idOf }],
  json: lineJson,
  id: idOf,
  empty: "no lines",
};

function idOf(outcome: LineOutcome): string {
  return outcome.kind === "enqueued" ? outcome.jobId : "";
}

function lineJson(outcome: LineOutcome): Record<string, unknown> {
  const { line } = outcome;
  if (outcome.kind === "enqueued") {
    return { line, ...enqueuedJson(outcome.functionName, outcome.jobId, outcome.job), error: null };
  }
  const { code, message, hint } = outcome.error;
  return { line, jobId: null, error: { code, message, hint: hint ?? null } };
}

async function enqueueMany(context: Context, source: string): Promise<void> {
  const { flags, operands, messages, output } = context;
  if (flags.wait) {
    throw usageError("--wait cannot be used with --jsonl", "enqueue with -q and pipe the IDs to: reseolio jobs wait -");
  }
  if (flags.args !== undefined) throw usageError("--args cannot be used with --jsonl", `set "args" in each line`);
  const defaults = { functionName: operands[0], options: readJobOptions(flags) };
  const lines = source === "-" ? stdinLines((text) => messages.info(text)) : fileLines(source, "--jsonl");
  const tally = new Tally(context);
  await withClient(context, async (client) => {
    const pages = tally.count(enqueueLines(client, lines, defaults));
    // On a terminal the final count is enough.
    if (output.format === "table") for await (const _page of pages);
    else await output.list(pages, LINES, { acts: true });
  }).finally(() => tally.end());
  if (tally.failed > 0) throw new CliError("failed", `${counted(tally.failed, "line")} failed; ${tally.summary}`);
  messages.success(tally.summary);
}

/** Counts lines as they pass, shows progress and reports the lines that failed. */
class Tally {
  failed = 0;
  #stored = 0;
  #deduplicated = 0;
  readonly #progress: Progress;
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
    this.#progress = context.messages.progress("enqueued");
  }

  get summary(): string {
    const there = this.#deduplicated === 0 ? "" : `, ${this.#deduplicated} of them already existed`;
    return `enqueued ${counted(this.#stored, "job")}${there}`;
  }

  async *count(pages: AsyncIterable<readonly LineOutcome[]>): AsyncGenerator<readonly LineOutcome[]> {
    const { output } = this.#context;
    for await (const page of pages) {
      for (const outcome of page) this.#record(outcome);
      this.#progress.update(this.#stored);
      yield output.isJson ? page : page.filter((outcome) => outcome.kind === "enqueued");
    }
  }

  end(): void {
    this.#progress.end();
  }

  #record(outcome: LineOutcome): void {
    if (outcome.kind === "enqueued") {
      this.#stored++;
      if (outcome.job.deduplicated) this.#deduplicated++;
      return;
    }
    this.failed++;
    const { message, hint } = outcome.error;
    this.#context.messages.warn(`line ${outcome.line}: ${message}${hint === undefined ? "" : `; ${hint}`}`);
  }
}
