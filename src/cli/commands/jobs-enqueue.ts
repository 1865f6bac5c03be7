import { defineCommand, type CommandContext } from "../command.ts";
import { awaitJobs, jobFailure, printResult, readWaitTimeout, WAIT_FLAGS } from "../calls/await-jobs.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { enqueueBatch, checkNewJob, newJob, type NewJobInit } from "../calls/enqueue.ts";
import { enqueueLines, type LineOutcome } from "../calls/enqueue-lines.ts";
import { CliError, usageError } from "../exit.ts";
import { JOB_OPTION_FLAGS, readJobOptions } from "../flags/job-options.ts";
import { stateName } from "../views/job-states.ts";
import { endedJobJson } from "../views/job-view.ts";
import type { Progress } from "../terminal/messages.ts";
import { FORMAT_FLAGS, type Listing } from "../terminal/output.ts";
import { argsBytes, readTextFlag, stdinLines, fileLines } from "../flags/read-input.ts";
import { cliErrorFromStatus } from "../calls/rpc-errors.ts";
import type { EnqueuedJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";

const FLAGS = {
  args: {
    type: "string",
    valueHint: "JSON|@FILE|-",
    description: "Arguments as a JSON array, from a file, or from stdin [none]",
  },
  wait: { type: "boolean", description: "Wait for the end and print the result" },
  ...WAIT_FLAGS,
  ...JOB_OPTION_FLAGS,
  jsonl: { type: "string", valueHint: "FILE|-", description: "Enqueue one job a line from a file or stdin" },
  json: FORMAT_FLAGS.json,
  quiet: FORMAT_FLAGS.quiet,
  raw: FORMAT_FLAGS.raw,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

/** Prints the job's id, or with --wait its result. An acknowledged job is on disk. */
export const jobsEnqueue = defineCommand({
  meta: {
    name: "jobs enqueue",
    description: "Store a job: a durable call of a function. When this command ends with 0 the job is on disk.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Function to call, such as orders:payment:charge" }],
  examples: [
    { command: `reseolio jobs enqueue mail:send --args '["a@b.c", "Hello"]'`, does: "store a job and print its id" },
    {
      command: `reseolio jobs enqueue demo:shell:upper --args '["hello"]' --wait`,
      does: "store one, wait, print its result",
    },
    {
      command: "reseolio jobs enqueue report:build --run-at 2026-12-01T06:00:00Z --idempotency-key december",
      does: "later, and only once",
    },
    { command: "reseolio jobs enqueue --jsonl calls.jsonl", does: "many, one per line" },
  ],
  notes: [
    `A line of --jsonl: {"function":"mail:send","args":["a@b.c"],"options":{"maxAttempts":5,"delayMs":1000}}. NAME stands in for a missing "function", and the option flags for missing options. Faulty lines are named on stderr (with --json in the document), the others are stored, and the exit code is 1. Each job gets its id here, so a lost answer is asked for again without storing a job twice.`,
    "Exit codes: 6 the wait took too long, 7 the awaited job is DEAD or CANCELLED, 8 the key is taken and --on-duplicate is reject, 130 the wait was interrupted. The job goes on after 6 and 130.",
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
    throw usageError("NAME is missing: the function to call", "reseolio jobs enqueue --help shows how");
  }
  const options = readJobOptions(flags);
  const args = argsBytes(await readTextFlag("--args", flags.args ?? "[]", (text) => messages.info(text)), "--args");
  checkNewJob(name, args, "");
  return newJob(name, args, options);
}

function readWait(flags: Context["flags"]): number | null {
  if (flags["wait-timeout"] !== undefined && !flags.wait) throw usageError("--wait-timeout needs --wait");
  return readWaitTimeout(flags["wait-timeout"]);
}

async function send(client: Client, job: NewJobInit, context: Context, waits: boolean): Promise<string> {
  const [item] = await enqueueBatch(client, [job]);
  if (item?.result.case !== "job") {
    throw cliErrorFromStatus(item?.result.value ?? { code: 13, message: "the daemon gave no answer for the job" });
  }
  const enqueued = item.result.value;
  const jobId = enqueued.jobId === "" ? job.jobId : enqueued.jobId;
  if (enqueued.deduplicated) {
    const differ = enqueued.argsDiffer ? ", with other arguments than these" : "";
    context.messages.warn(`a job with this idempotency key is there already, ${stateName(enqueued.state)}${differ}`);
  }
  if (!waits) await printEnqueued(context, enqueuedJson(job.functionName ?? "", jobId, enqueued), jobId);
  else if (context.output.interactive) context.messages.info(`enqueued ${jobId}; waiting for its end`);
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
    throw usageError(
      "--wait and --jsonl exclude each other",
      "enqueue with -q and pipe the ids to: reseolio jobs wait -",
    );
  }
  if (flags.args !== undefined) throw usageError("--args and --jsonl exclude each other", `put "args" into each line`);
  const defaults = { functionName: operands[0], options: readJobOptions(flags) };
  const lines = source === "-" ? stdinLines((text) => messages.info(text)) : fileLines(source, "--jsonl");
  const tally = new Tally(context);
  await withClient(context, async (client) => {
    const pages = tally.count(enqueueLines(client, lines, defaults));
    // On a terminal the count says enough.
    if (output.format === "table") for await (const _page of pages);
    else await output.list(pages, LINES, { acts: true });
  }).finally(() => tally.end());
  if (tally.failed > 0) throw new CliError("failed", `${tally.failed} lines failed; ${tally.summary}`);
  messages.success(tally.summary);
}

/** Counts lines as they pass, shows progress and names those that failed. */
class Tally {
  failed = 0;
  private stored = 0;
  private deduplicated = 0;
  private readonly progress: Progress;

  constructor(private readonly context: Context) {
    this.progress = context.messages.progress("enqueued");
  }

  get summary(): string {
    const there = this.deduplicated === 0 ? "" : `, ${this.deduplicated} of them were there already`;
    return `enqueued ${this.stored} jobs${there}`;
  }

  async *count(pages: AsyncIterable<readonly LineOutcome[]>): AsyncGenerator<readonly LineOutcome[]> {
    const { output } = this.context;
    for await (const page of pages) {
      for (const outcome of page) this.note(outcome);
      this.progress.update(this.stored);
      yield output.isJson ? page : page.filter((outcome) => outcome.kind === "enqueued");
    }
  }

  end(): void {
    this.progress.end();
  }

  private note(outcome: LineOutcome): void {
    if (outcome.kind === "enqueued") {
      this.stored++;
      if (outcome.job.deduplicated) this.deduplicated++;
      return;
    }
    this.failed++;
    const { message, hint } = outcome.error;
    this.context.messages.warn(`line ${outcome.line}: ${message}${hint === undefined ? "" : `; ${hint}`}`);
  }
}
