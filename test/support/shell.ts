/** `reseolio` as a shell runs it, against one daemon for all tests of a file. */
import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { reseolioCommand } from "./executable.ts";
import { type CommandOptions, type CommandResult, environment, runCommand } from "./run-command.ts";
import { spawnDaemon, type SpawnedDaemon } from "./spawn-daemon.ts";

export const UNKNOWN_ID = "019aa6cf-8e4b-7d2a-8000-000000000001";

interface RunningCommand {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the output so far holds the text. */
  said(text: string): Promise<void>;
  readonly exited: Promise<number | null>;
  kill(): void;
}

interface Shell {
  /** The file's daemon, from its first test on. */
  readonly daemon: Pick<SpawnedDaemon, "address" | "port" | "db" | "pid">;
  /** Runs `reseolio` with the file's daemon as its address. */
  readonly cli: (args: readonly string[], options?: CommandOptions) => Promise<CommandResult>;
  /** The same, exit code 0 expected; returns stdout without its last newline. */
  readonly ok: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** A command that keeps running in the background. */
  readonly start: (args: readonly string[], env?: Readonly<Record<string, string>>) => RunningCommand;
  readonly startWork: (name: string, command: readonly string[], flags?: readonly string[]) => Promise<RunningCommand>;
}

/** A shell with a daemon of its own and a worker each for `demo:shell:upper` and `demo:shell:fails`, until the file ends. */
export function shellOfFile(): Shell {
  // Each step is a process of its own.
  setDefaultTimeout(60_000);
  let spawned: SpawnedDaemon | undefined;
  const workers: RunningCommand[] = [];
  const shell = shellOf(() => {
    if (spawned === undefined) throw new Error("the daemon of this file is not started yet");
    return spawned;
  });

  beforeAll(async () => {
    spawned = await spawnDaemon();
    workers.push(await shell.startWork("demo:shell:upper", ["tr", "a-z", "A-Z"]));
    workers.push(await shell.startWork("demo:shell:fails", ["sh", "-c", "echo out of paper >&2; exit 3"]));
  });

  afterAll(async () => {
    for (const worker of workers) worker.kill();
    await spawned?.[Symbol.asyncDispose]();
  });
  return shell;
}

function shellOf(running: () => SpawnedDaemon): Shell {
  const daemon = {
    get address() {
      return running().address;
    },
    get port() {
      return running().port;
    },
    get db() {
      return running().db;
    },
    get pid() {
      return running().pid;
    },
  };
  const cli: Shell["cli"] = (args, options = {}) =>
    runCommand([...reseolioCommand(), ...args], {
      ...options,
      env: { RESEOLIO_ADDR: daemon.address, ...options.env },
    });
  const start: Shell["start"] = (args, env = {}) => startCommand(args, { RESEOLIO_ADDR: daemon.address, ...env });
  return {
    daemon,
    cli,
    ok: async (args, options = {}) => {
      const { stdout, stderr, exitCode } = await cli(args, options);
      if (exitCode !== 0) throw new Error(`reseolio ${args.join(" ")}: exit code ${exitCode}\n${stdout}${stderr}`);
      return stdout.trimEnd();
    },
    start,
    startWork: async (name, command, flags = []) => {
      const worker = start(["work", name, ...flags, "--", ...command]);
      await worker.said("serving ");
      return worker;
    },
  };
}

function startCommand(args: readonly string[], env: Readonly<Record<string, string>>): RunningCommand {
  const [file = "", ...leading] = reseolioCommand();
  const child = spawn(file, [...leading, ...args], {
    env: environment(env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const state = { stdout: "", stderr: "" };
  const waiting: (() => void)[] = [];
  const note = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    state[stream] += chunk.toString();
    for (const check of waiting) check();
  };
  child.stdout.on("data", note("stdout"));
  child.stderr.on("data", note("stderr"));
  return {
    child,
    get stdout() {
      return state.stdout;
    },
    get stderr() {
      return state.stderr;
    },
    said: (text) => {
      const seen = Promise.withResolvers<void>();
      const check = (): void => {
        if ((state.stdout + state.stderr).includes(text)) seen.resolve();
      };
      waiting.push(check);
      check();
      void exited.then(() =>
        seen.reject(new Error(`it ended without saying ${JSON.stringify(text)}\n${state.stdout}${state.stderr}`)),
      );
      return seen.promise;
    },
    exited,
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Polls until there is an answer, for the effects of other processes. */
export async function pollFor(ask: () => Promise<string>): Promise<string> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const answer = await ask();
    if (answer !== "") return answer;
    if (performance.now() > deadline) throw new Error("there was no answer within 15 s");
    await Bun.sleep(10);
  }
}
