import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { checkout } from "./executable.ts";
import { type CommandResult, environment, runCommand } from "./run-command.ts";
import type { SpawnedDaemon } from "./spawn-daemon.ts";

/** Runs `examples/NAME/main.ts` against a daemon as its user would; the SDK finds the daemon at the address. */
export function runExample(
  name: string,
  args: readonly string[],
  daemon: SpawnedDaemon,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  return runCommand([process.execPath, programOf(name), ...args], { cwd, env: { ...environmentFor(daemon), ...env } });
}

/** A program that goes on until it is ended. */
export interface RunningExample extends AsyncDisposable {
  readonly lines: readonly string[];
  /** Resolves when it has printed the line. */
  said(line: string): Promise<void>;
  signal(name: NodeJS.Signals): Promise<void>;
}

export function startExample(
  name: string,
  daemon: SpawnedDaemon,
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): RunningExample {
  const child = spawn(process.execPath, [programOf(name), ...args], {
    env: environment({ ...environmentFor(daemon), ...env }),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const { lines, said } = followLines(child);
  const signal = async (signalName: NodeJS.Signals): Promise<void> => {
    child.kill(signalName);
    await exited;
  };
  return { lines, said, signal, [Symbol.asyncDispose]: () => signal("SIGKILL") };
}

function followLines(child: ChildProcess): Pick<RunningExample, "lines" | "said"> {
  const lines: string[] = [];
  const waiters: { readonly line: string; readonly resolve: () => void }[] = [];
  if (child.stdout === null) throw new Error("the example has no stdout");
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const waiter of waiters) if (waiter.line === line) waiter.resolve();
  });
  const said = (line: string): Promise<void> =>
    new Promise((resolve) => (lines.includes(line) ? resolve() : waiters.push({ line, resolve })));
  return { lines, said };
}

function programOf(name: string): string {
  return join(checkout, "examples", name, "main.ts");
}

function environmentFor(daemon: SpawnedDaemon): Readonly<Record<string, string>> {
  return { RESEOLIO_ADDR: daemon.address, RESEOLIO_DB: daemon.db };
}
