/** Runs one command for one attempt of a job. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { WIRE_LIMITS } from "#proto/contract.ts";
import { parseExact } from "../text/json-text.ts";

export interface ChildCommand {
  /** The program and its arguments, started without a shell. */
  readonly command: readonly string[];
  /** A JSON array: written to stdin, and passed in RESEOLIO_ARGS if it fits. */
  readonly args: string;
  readonly jobId: string;
  readonly functionName: string;
  readonly attempt: number;
  /** The tick of the schedule that enqueued the job. */
  readonly scheduledAt?: Date | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborting sends SIGTERM to the command's process group, and SIGKILL `killAfterMs` later. */
  readonly signal: AbortSignal;
  readonly killAfterMs: () => number;
  /** Aborting sends SIGKILL at once. */
  readonly killNow: AbortSignal;
  /** Called with each chunk of stderr. */
  readonly onStderr: (text: string) => void;
}

/** The outcome of a command, as an outcome of the attempt. */
export type ChildOutcome =
  | { readonly kind: "success"; readonly result: unknown }
  /** Exit code 75, EX_TEMPFAIL. */
  | { readonly kind: "retry_later"; readonly message: string }
  | { readonly kind: "failure"; readonly message: string };

const EXIT_RETRY_LATER = 75;
// Linux limits one environment string to 128 KiB; the rest of the environment needs room, too.
const ENV_ARGS_BYTES = 96 * 1024;
/** Windows has no process groups, so only the command itself is stopped there. */
const HAS_GROUPS = process.platform !== "win32";
const STDERR_TAIL_BYTES = 4 * 1024;

/**
 * Runs the command until it exits. It gets its own process group, so that its children are stopped with it. Never throws:
 * a command that cannot start, prints too much or is killed by a signal yields a failure.
 */
export async function runChild(child: ChildCommand): Promise<ChildOutcome> {
  let running: ChildProcessWithoutNullStreams;
  try {
    running = start(child);
  } catch (error) {
    return cannotStart(child, error);
  }
  const stop = new GroupStop(running, child.killAfterMs);
  const onAbort = (): void => stop.begin();
  const onKill = (): void => stop.kill();
  child.signal.addEventListener("abort", onAbort, { once: true });
  child.killNow.addEventListener("abort", onKill, { once: true });
  if (child.signal.aborted) onAbort();
  try {
    return await finish(running, child, stop);
  } finally {
    child.signal.removeEventListener("abort", onAbort);
    child.killNow.removeEventListener("abort", onKill);
    stop.end();
  }
}

function start(child: ChildCommand): ChildProcessWithoutNullStreams {
  const [program = "", ...words] = child.command;
  const running = spawn(program, words, { env: childEnv(child), detached: HAS_GROUPS, windowsHide: true });
  // A command may exit without reading its stdin.
  running.stdin.on("error", () => {});
  running.stdin.end(child.args);
  return running;
}

function childEnv(child: ChildCommand): Record<string, string> {
  const { RESEOLIO_TOKEN: _secret, RESEOLIO_ARGS: _outer, RESEOLIO_SCHEDULED_AT: _tick, ...inherited } = child.env;
  const own: Record<string, string> = {
    RESEOLIO_JOB_ID: child.jobId,
    RESEOLIO_FUNCTION: child.functionName,
    RESEOLIO_ATTEMPT: String(child.attempt),
  };
  if (child.scheduledAt !== undefined) own["RESEOLIO_SCHEDULED_AT"] = child.scheduledAt.toISOString();
  if (Buffer.byteLength(child.args) <= ENV_ARGS_BYTES) own["RESEOLIO_ARGS"] = child.args;
  const defined = Object.entries(inherited).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...Object.fromEntries(defined), ...own };
}

async function finish(
  running: ChildProcessWithoutNullStreams,
  child: ChildCommand,
  stop: GroupStop,
): Promise<ChildOutcome> {
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  const tail = new TextTail(STDERR_TAIL_BYTES);
  running.stdout.on("data", (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes <= WIRE_LIMITS.payloadBytes) stdout.push(chunk);
    else stop.begin();
  });
  const decoder = new TextDecoder();
  running.stderr.on("data", (chunk: Buffer) => {
    const text = decoder.decode(chunk, { stream: true });
    tail.push(text);
    child.onStderr(text);
  });
  const end = await ended(running);
  if (end instanceof Error) return cannotStart(child, end);
  if (stdoutBytes > WIRE_LIMITS.payloadBytes) return tooLarge(child);
  return outcomeOf(child, end, Buffer.concat(stdout), tail.text);
}

interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function ended(running: ChildProcessWithoutNullStreams): Promise<ExitStatus | Error> {
  return new Promise((resolve) => {
    running.once("error", resolve);
    running.once("close", (code, signal) => resolve({ code, signal }));
  });
}

function outcomeOf(child: ChildCommand, { code, signal }: ExitStatus, stdout: Buffer, stderr: string): ChildOutcome {
  if (code === 0) return resultOf(child, stdout);
  const how = signal === null ? `exited with code ${code ?? "unknown"}` : `was killed by ${signal}`;
  const said = stderr.trim() === "" ? "" : `: ${stderr.trim()}`;
  const message = `${nameOf(child)} ${how}${said}`;
  return { kind: code === EXIT_RETRY_LATER ? "retry_later" : "failure", message };
}

/** Parses stdout as JSON, keeping every digit; otherwise the text without its last newline. */
function resultOf(child: ChildCommand, stdout: Buffer): ChildOutcome {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(stdout);
  } catch {
    return {
      kind: "failure",
      message: `${nameOf(child)} printed bytes that are not UTF-8; encode them, for example with base64`,
    };
  }
  try {
    return { kind: "success", result: parseExact(text) };
  } catch {
    return { kind: "success", result: text.replace(/\r?\n$/, "") };
  }
}

function cannotStart(child: ChildCommand, error: unknown): ChildOutcome {
  const why = error instanceof Error ? error.message : String(error);
  return { kind: "failure", message: `${nameOf(child)} cannot be started: ${why}` };
}

function tooLarge(child: ChildCommand): ChildOutcome {
  const limit = WIRE_LIMITS.payloadBytes;
  return {
    kind: "failure",
    message: `${nameOf(child)} printed more than ${limit} bytes; store large results elsewhere and print a reference`,
  };
}

function nameOf(child: ChildCommand): string {
  return child.command[0] ?? "";
}

/** Sends SIGTERM to a process group, and SIGKILL if it does not end in time. */
class GroupStop {
  #timer: NodeJS.Timeout | undefined;
  #begun = false;
  readonly #running: ChildProcessWithoutNullStreams;
  readonly #killAfterMs: () => number;

  constructor(running: ChildProcessWithoutNullStreams, killAfterMs: () => number) {
    this.#running = running;
    this.#killAfterMs = killAfterMs;
  }

  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#send("SIGTERM");
    this.#timer = setTimeout(() => this.kill(), this.#killAfterMs());
  }

  kill(): void {
    this.#send("SIGKILL");
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #send(signal: "SIGTERM" | "SIGKILL"): void {
    const { pid } = this.#running;
    if (pid === undefined) return;
    if (!HAS_GROUPS) {
      this.#running.kill(signal);
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // The group has already ended.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Keeps the end of a text that may be long. */
class TextTail {
  #kept = "";
  #isCut = false;
  readonly #length: number;

  constructor(length: number) {
    this.#length = length;
  }

  push(text: string): void {
    const whole = this.#kept + text;
    this.#isCut ||= whole.length > this.#length;
    this.#kept = whole.slice(-this.#length);
  }

  get text(): string {
    return this.#isCut ? `…${this.#kept}` : this.#kept;
  }
}
