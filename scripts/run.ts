import { spawn } from "node:child_process";

export interface RunResult {
  /** Null when a signal ended it, when it took too long, or when it could not start. */
  readonly exitCode: number | null;
  /** Standard output and error as they came. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd: string;
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Show the output on stderr while it comes, besides collecting it. */
  readonly show?: boolean;
  /** The program and all that it started get SIGKILL after this long. [20 minutes] */
  readonly timeoutMs?: number;
}

/** Runs a program to its end, with an empty stdin. Never throws: a program that cannot start is a result saying so. */
export function run(command: readonly string[], options: RunOptions): Promise<RunResult> {
  const [file = "", ...args] = command;
  const timeoutMs = options.timeoutMs ?? 20 * 60_000;
  return new Promise((resolve) => {
    // A process group of its own, so that one signal reaches whatever it started.
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
      collect(Buffer.from(`${command.join(" ")}: no end after ${timeoutMs / 1000} s, killed\n`));
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
      // What a program leaves behind holds its pipes open: give its last output a moment, then stop listening.
      const cut = setTimeout(() => settle({ exitCode, output: Buffer.concat(chunks).toString() }), 2_000);
      child.once("close", () => {
        clearTimeout(cut);
        settle({ exitCode, output: Buffer.concat(chunks).toString() });
      });
    });
  });
}

/** Ctrl+C reaches this process alone, because the child has a group of its own: pass it on, then go. */
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
