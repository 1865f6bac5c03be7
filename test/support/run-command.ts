import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From spawn to the end of all output. */
  readonly durationMs: number;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** On top of this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written whole, then closed. Absent: an empty stdin. */
  readonly stdin?: string | Uint8Array;
  /** SIGKILL and an error after this long. [60000] */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. Any exit code is a result; only a program that cannot start or does not end throws. */
export async function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file, ...args] = command;
  if (file === undefined) throw new Error("runCommand: the command is empty");
  const startedAt = performance.now();
  const child = spawn(file, args, { cwd: options.cwd, env: environment(options.env) });
  const timeoutMs = options.timeoutMs ?? 60_000;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    const result = await collect(child, options.stdin);
    if (timedOut)
      throw new Error(`${command.join(" ")}: no end after ${timeoutMs} ms\n${result.stdout}${result.stderr}`);
    return { ...result, durationMs: performance.now() - startedAt };
  } finally {
    clearTimeout(timer);
  }
}

/** The same, but anything except exit code 0 throws with all output. Returns stdout. */
export async function runOrThrow(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode, signal } = await runCommand(command, options);
  if (exitCode === 0) return stdout;
  throw new Error(`${command.join(" ")}: ended with ${signal ?? `exit code ${exitCode}`}\n${stdout}${stderr}`);
}

/** This process's environment with changes; variables of Reseolio itself never leak into a test. */
export function environment(changes: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("RESEOLIO_"));
  const all = [...own, ...Object.entries({ NO_COLOR: "1", FORCE_COLOR: undefined, ...changes })];
  const merged = new Map(all);
  return Object.fromEntries([...merged].filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function collect(
  child: ChildProcessWithoutNullStreams,
  stdin: string | Uint8Array | undefined,
): Promise<Omit<CommandResult, "durationMs">> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A program may end without reading its stdin: that is its right.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
    child.once("error", reject);
    child.once("close", (exitCode, signal) => {
      resolve({ stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), exitCode, signal });
    });
  });
}
