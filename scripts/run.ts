import { spawn } from "node:child_process";

export interface RunResult {
  /** Null when a signal ended it, when it took too long, or when it could not start. */
  readonly exitCode: number | null;
  /** Standard output and standard error, in the order in which they arrived. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd: string;
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Also prints the output on stderr as it arrives. */
  readonly show?: boolean;
  /** After this long the program and everything that it started get SIGKILL. [20 minutes] */
  readonly timeoutMs?: number;
}

/** Runs a program to its end, with an empty stdin. Never throws: a program that cannot start is a result saying so. */
export function run(command: readonly string[], options: RunOptions): Promise<RunResult> {
  const [file = "", ...args] = command;
  const timeoutMs = options.timeoutMs ?? 20 * 60_000;
  return new Promise((resolve) => {
    // Its own process group, so that one signal reaches everything that it started.
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer): void => {
      chunks.push(chunk);
      if (options.show === true) process.stderr.write(chunk);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const killGroup = (): void => {
      if (child.pid !== undefined) killQuietly(-child.pid);
    };
    const timer = setTimeout(() => {
      collect(Buffer.from(`${command.join(" ")}: timed out after ${timeoutMs / 1000} s and was killed\n`));
      killGroup();
    }, timeoutMs);
    const forward = forwardSignals(killGroup);
    const settle = (result: RunResult): void => {
      clearTimeout(timer);
      forward.stop();
      resolve(result);
    };
    child.once("error", (error) => settle({ exitCode: null, output: `${file}: ${error.message}\n` }));
    child.once("exit", (exitCode) => {
      // Processes that the program left behind keep its pipes open: wait a moment for its last output, then stop reading.
      const cut = setTimeout(() => settle({ exitCode, output: Buffer.concat(chunks).toString() }), 2_000);
      child.once("close", () => {
        clearTimeout(cut);
        settle({ exitCode, output: Buffer.concat(chunks).toString() });
      });
    });
  });
}

/** Ctrl+C reaches this process alone, because the child has its own process group: kill that group, then exit. */
function forwardSignals(killGroup: () => void): { stop(): void } {
  const leave = (): void => {
    killGroup();
    process.exit(130);
  };
  process.once("SIGINT", leave);
  process.once("SIGTERM", leave);
  return {
    stop() {
      process.off("SIGINT", leave);
      process.off("SIGTERM", leave);
    },
  };
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
