import { type ChildOutcome, runChild } from "../child-command.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { ADDRESS_FLAGS, type Endpoint, readEndpoint } from "../calls/connection.ts";
import { formatDuration } from "../flags/duration.ts";
import { usageError } from "../exit.ts";
import { shortId } from "../views/job-id.ts";
import { mayLoseDigits } from "../terminal/json-text.ts";
import type { Messages } from "../terminal/messages.ts";
import { durationFlag, numberFlag } from "../flags/parse-flag.ts";
import { LinePrefixer } from "../terminal/prefix-lines.ts";
import { cliErrorFrom } from "../calls/rpc-errors.ts";
import { type StopSignals, untilStopped } from "../terminal/stop-signals.ts";

const DEFAULT_CONCURRENCY = 10;
const DEFAULT_GRACE_MS = 10_000;
/** Between SIGTERM and SIGKILL when a job is cancelled or out of time. */
const KILL_AFTER_MS = 5_000;
/** The same when this worker stops: the SDK hands the job back a second after its signal, the command has to be gone. */
const KILL_AFTER_STOP_MS = 700;
const MAX_CONCURRENCY = 1_000;

const FLAGS = {
  concurrency: {
    type: "string",
    alias: "c",
    valueHint: "N",
    description: `Commands that run at once [${DEFAULT_CONCURRENCY}]`,
  },
  "retry-after": {
    type: "string",
    valueHint: "LENGTH",
    description: "Delay of the next attempt after exit code 75 [the job's backoff]",
  },
  grace: {
    type: "string",
    valueHint: "LENGTH",
    description: `How long running commands may go on after Ctrl-C or SIGTERM [${formatDuration(DEFAULT_GRACE_MS)}]`,
  },
  quiet: { type: "boolean", alias: "q", description: "Say nothing about jobs that start and end" },
  ...ADDRESS_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

/** Runs until it is told to stop; the jobs of a worker that dies run elsewhere. */
export const work = defineCommand({
  meta: {
    name: "work",
    description: "Make any program a durable function: each job of NAME runs COMMAND once per attempt.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Function to serve, such as demo:shell:upper", required: true }],
  rest: {
    name: "COMMAND",
    description: "Program and its arguments, run without a shell",
    required: true,
    repeat: true,
  },
  examples: [
    { command: "reseolio work demo:shell:upper -- tr a-z A-Z", does: `args ["hello"] give the result ["HELLO"]` },
    { command: "reseolio work reports:build --concurrency 2 -- ./build-report.sh", does: "two at once" },
    { command: `reseolio work mail:send -- sh -c 'jq -r ".[0]" | xargs notify'`, does: "with a shell" },
  ],
  notes: [
    "The command gets the arguments as a JSON array on stdin, and in RESEOLIO_ARGS when they have less than 96 KiB; RESEOLIO_JOB_ID, RESEOLIO_FUNCTION and RESEOLIO_ATTEMPT tell which job it is, and RESEOLIO_SCHEDULED_AT which tick of a schedule it is for. It does not get RESEOLIO_TOKEN.",
    "Its stdout is the result: the JSON in it, else the text without its last newline, at most 1 MiB. Its stderr appears here, each line behind the job's id.",
    "Exit code 0 is success; 75 asks for a later attempt; any other ends the attempt as a failure with the exit code and the end of stderr as its message. Both count as failed attempts.",
    "When the job is cancelled or out of time the command's process group gets SIGTERM, and SIGKILL 5 s later. On Ctrl-C or SIGTERM no new job is taken, running commands may go on for --grace, and what has not ended by then is stopped and handed back, which counts as nothing. A second signal stops at once. A worker that is itself killed with SIGKILL cannot stop its commands: they go on while their jobs run again elsewhere.",
  ],
  async run(context) {
    const settings = readSettings(context);
    const { Reseolio } = await import("../../sdk/reseolio.ts");
    const { RetryAfterError } = await import("../../sdk/errors.ts");
    const reseolio = new Reseolio({
      ...settings.endpoint,
      autoStart: false,
      workerConcurrency: settings.concurrency,
      drainTimeoutMs: settings.graceMs,
      logger: quietLogger(context.messages),
    });
    const { messages } = context;
    reseolio.on("disconnected", () => messages.warn("the daemon is away; running commands go on"));
    reseolio.on("reconnected", () => messages.info("the daemon is back"));
    await untilStopped(async (stop) => {
      reseolio.durable(settings.name, async (...args: unknown[]) => {
        const outcome = await runAttempt(context, settings, stop, reseolio.context(), args);
        return valueOf(outcome, (message) => {
          if (settings.retryAfterMs !== undefined) throw new RetryAfterError(settings.retryAfterMs, message);
          throw named("RetryLater", message);
        });
      });
      await Promise.race([startOrFail(reseolio, messages), stop.requested]);
      if (!stop.isRequested)
        messages.info(`working on ${settings.name}, ${settings.concurrency} at once; Ctrl-C stops`);
      await stop.requested;
      messages.info(`stopping: no new jobs; running commands have ${formatDuration(settings.graceMs)}`);
      await reseolio.stop();
    });
  },
});

interface WorkSettings {
  readonly name: string;
  readonly command: readonly string[];
  readonly concurrency: number;
  readonly retryAfterMs: number | undefined;
  readonly graceMs: number;
  readonly endpoint: Endpoint;
}

function readSettings(context: Context): WorkSettings {
  const { flags, operands, rest } = context;
  const [name = ""] = operands;
  if (name.trim() === "") throw usageError("NAME is empty", `give a name such as "demo:shell:upper"`);
  const concurrency = numberFlag("concurrency", flags.concurrency, { min: 1, max: MAX_CONCURRENCY, whole: true });
  const [program = ""] = rest;
  if (Bun.which(program, { PATH: context.env["PATH"] ?? "" }) === null) {
    throw usageError(
      `there is no program ${JSON.stringify(program)}`,
      "give one of PATH, or a path to an executable file",
    );
  }
  return {
    name,
    command: rest,
    concurrency: concurrency ?? DEFAULT_CONCURRENCY,
    retryAfterMs: durationFlag("retry-after", flags["retry-after"]),
    graceMs: durationFlag("grace", flags.grace) ?? DEFAULT_GRACE_MS,
    endpoint: readEndpoint(context),
  };
}

/** A daemon that is just starting is waited for; Ctrl-C ends the waiting. */
async function startOrFail(reseolio: { start(): Promise<void> }, messages: Messages): Promise<void> {
  const hint = setTimeout(() => messages.info("no daemon answers yet; waiting for one"), 1_000);
  try {
    await reseolio.start();
  } catch (error) {
    throw cliErrorFrom(error);
  } finally {
    clearTimeout(hint);
  }
}

interface Attempt {
  readonly jobId: string;
  readonly functionName: string;
  readonly attempt: number;
  readonly scheduledAt: Date | undefined;
  readonly signal: AbortSignal;
}

async function runAttempt(
  { messages, env, flags }: Context,
  settings: WorkSettings,
  stop: StopSignals,
  { jobId, functionName, attempt, scheduledAt, signal }: Attempt,
  args: readonly unknown[],
): Promise<ChildOutcome> {
  const id = shortId(jobId);
  const stderr = new LinePrefixer(`${id} | `, (text) => messages.write(text));
  const startedAt = performance.now();
  if (!flags.quiet) messages.info(`${id} attempt ${attempt} starts`);
  const outcome = await runChild({
    command: settings.command,
    args: await exactArgs(settings.endpoint, jobId, args),
    jobId,
    functionName,
    attempt,
    scheduledAt,
    env,
    signal,
    killAfterMs: () => (stop.isRequested ? KILL_AFTER_STOP_MS : KILL_AFTER_MS),
    killNow: stop.killNow,
    onStderr: (text) => stderr.push(text),
  });
  stderr.end();
  const took = formatDuration(performance.now() - startedAt);
  if (!flags.quiet) messages.info(`${id} attempt ${attempt} ${endText(outcome, signal)} after ${took}`);
  return outcome;
}

/** The arguments as they were enqueued: numbers that JavaScript rounds are read again from the daemon. */
async function exactArgs(endpoint: Endpoint, jobId: string, args: readonly unknown[]): Promise<string> {
  const text = JSON.stringify(args);
  if (!mayLoseDigits(text)) return text;
  const { createClient } = await import("../../sdk/transport/client.ts");
  const client = createClient(endpoint);
  try {
    const { job } = await client.jobs.getJob({ jobId });
    return job === undefined ? text : new TextDecoder().decode(job.args);
  } finally {
    client.close();
  }
}

function endText(outcome: ChildOutcome, signal: AbortSignal): string {
  if (signal.aborted) return "was stopped";
  switch (outcome.kind) {
    case "success":
      return "succeeded";
    case "retry_later":
      return "asks for a later attempt";
    case "failure":
      return "failed";
  }
}

function valueOf(outcome: ChildOutcome, retryLater: (message: string) => never): unknown {
  switch (outcome.kind) {
    case "success":
      return outcome.result;
    case "retry_later":
      return retryLater(outcome.message);
    case "failure":
      throw named("CommandError", outcome.message);
  }
}

/** The stack would show this program, not the command: it is left out of what the job keeps. */
function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = "";
  return error;
}

/** The SDK's own messages, in this command's voice; what connects and breaks is told by its events. */
function quietLogger(messages: Messages): Record<"debug" | "info" | "warn" | "error", (message: string) => void> {
  const drop = (): void => {};
  return { debug: drop, info: drop, warn: (text) => messages.warn(text), error: (text) => messages.warn(text) };
}
