import { ADDRESS_FLAGS, type Endpoint, readEndpoint } from "../calls/connection.ts";
import { cliErrorFrom } from "../calls/rpc-errors.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { durationFlag, numberFlag } from "../flags/parse-flag.ts";
import { type ChildOutcome, runChild } from "../programs/child-command.ts";
import type { Messages } from "../terminal/messages.ts";
import { LinePrefixer } from "../terminal/prefix-lines.ts";
import { type StopSignals, withStopSignals } from "../terminal/stop-signals.ts";
import { formatDuration } from "../text/duration.ts";
import { shortId } from "../text/job-id.ts";
import { mayLoseDigits } from "../text/json-text.ts";

const DEFAULT_CONCURRENCY = 10;
const DEFAULT_GRACE_MS = 10_000;
/** Time between SIGTERM and SIGKILL when a job is cancelled or timed out. */
const KILL_AFTER_MS = 5_000;
/** Shorter when this worker stops: the SDK releases the job after a second, and the command must have ended by then. */
const KILL_AFTER_STOP_MS = 700;
const MAX_CONCURRENCY = 1_000;

const FLAGS = {
  concurrency: {
    type: "string",
    alias: "c",
    valueHint: "N",
    description: `Commands to run at once [${DEFAULT_CONCURRENCY}]`,
  },
  "retry-after": {
    type: "string",
    valueHint: "DURATION",
    description: "Delay before the next attempt after exit code 75 [the backoff of the job]",
  },
  grace: {
    type: "string",
    valueHint: "DURATION",
    description: `How long running commands may continue after Ctrl-C or SIGTERM [${formatDuration(DEFAULT_GRACE_MS)}]`,
  },
  quiet: { type: "boolean", alias: "q", description: "Do not print messages when jobs start and finish" },
  ...ADDRESS_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

/** Runs until it is stopped. If it dies, other workers run its jobs. */
export const work = defineCommand({
  meta: {
    name: "work",
    description: "Make any program a durable function: each attempt of a job of NAME runs COMMAND once.",
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
    {
      command: "reseolio work demo:shell:upper -- tr a-z A-Z",
      does: `the arguments ["hello"] produce the result ["HELLO"]`,
    },
    {
      command: "reseolio work reports:build --concurrency 2 -- ./build-report.sh",
      does: "at most two commands at once",
    },
    { command: `reseolio work mail:send -- sh -c 'jq -r ".[0]" | xargs notify'`, does: "with a shell" },
  ],
  notes: [
    "The command receives the arguments as a JSON array on stdin, and also in RESEOLIO_ARGS if they are smaller than 96 KiB. RESEOLIO_JOB_ID, RESEOLIO_FUNCTION and RESEOLIO_ATTEMPT identify the job, and RESEOLIO_SCHEDULED_AT the tick of a schedule. RESEOLIO_TOKEN is not passed on.",
    "Its stdout is the result, at most 1 MiB: parsed as JSON if possible, otherwise the text without its last newline. Its stderr is printed here, each line prefixed with the job ID.",
    "Exit code 0 means success. 75 requests another attempt later. Any other code fails the attempt, with the exit code and the end of stderr as its message. 75 counts as a failed attempt, too.",
    "When a job is cancelled or times out, the process group of the command gets SIGTERM, and SIGKILL 5 s later. On Ctrl-C or SIGTERM, the worker takes no new jobs and running commands may continue for --grace; commands still running then are stopped and their jobs released, without counting as failures. A second signal stops at once. If the worker itself is killed with SIGKILL, it cannot stop its commands: they continue while their jobs run again elsewhere.",
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
    reseolio.on("disconnected", () => messages.warn("lost the connection to the daemon; running commands continue"));
    reseolio.on("reconnected", () => messages.info("reconnected to the daemon"));
    await withStopSignals(async (stop) => {
      reseolio.durable(settings.name, async (...args: unknown[]) => {
        const outcome = await runAttempt(context, settings, stop, reseolio.context(), args);
        return valueOf(outcome, (message) => {
          if (settings.retryAfterMs !== undefined) throw new RetryAfterError(settings.retryAfterMs, message);
          throw named("RetryLater", message);
        });
      });
      await Promise.race([startOrFail(reseolio, messages), stop.requested]);
      if (!stop.isRequested)
        messages.info(`serving ${settings.name} with concurrency ${settings.concurrency}; press Ctrl-C to stop`);
      await stop.requested;
      messages.info(
        `stopping: taking no new jobs; running commands have ${formatDuration(settings.graceMs)} to finish`,
      );
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
  if (name.trim() === "") throw usageError("NAME is empty", `use a name such as "demo:shell:upper"`);
  const concurrency = numberFlag("concurrency", flags.concurrency, { min: 1, max: MAX_CONCURRENCY, whole: true });
  const [program = ""] = rest;
  if (Bun.which(program, { PATH: context.env["PATH"] ?? "" }) === null) {
    throw usageError(
      `program not found: ${JSON.stringify(program)}`,
      "use a program in PATH, or the path of an executable file",
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

/** Waits for a daemon that is still starting; Ctrl-C ends the wait. */
async function startOrFail(reseolio: { start(): Promise<void> }, messages: Messages): Promise<void> {
  const hint = setTimeout(() => messages.info("waiting for a daemon to answer"), 1_000);
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
  if (!flags.quiet) messages.info(`${id} attempt ${attempt} started`);
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

/** The arguments as they were enqueued: if JavaScript would round a number, reads them again from the daemon. */
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
      return "requested another attempt";
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

/** The stack would show this program, not the command, so the job does not keep it. */
function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = "";
  return error;
}

/** Prints the SDK's warnings as messages of this command. Events of the SDK report the connection instead. */
function quietLogger(messages: Messages): Record<"debug" | "info" | "warn" | "error", (message: string) => void> {
  const drop = (): void => {};
  return { debug: drop, info: drop, warn: (text) => messages.warn(text), error: (text) => messages.warn(text) };
}
