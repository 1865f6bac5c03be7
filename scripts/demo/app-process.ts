import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { appEnvironment, type AppEvent, type AppSettings, parseAppEvent } from "./app-contract.ts";

/** The application, in a process of its own. */
export interface AppProcess {
  readonly pid: number;
  /** Ends with the exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Output other than events, for error messages. */
  readonly output: string;
  kill(): void;
}

/** Starts it with this Bun. `onEvent` is called in order, until the process is gone. */
export function startApp(settings: AppSettings, onEvent: (event: AppEvent) => void): AppProcess {
  const child = spawn(process.execPath, [join(import.meta.dir, "app.ts")], {
    env: { ...process.env, ...appEnvironment(settings) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  follow(child, onEvent, output);
  return {
    pid: child.pid ?? 0,
    exited: new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (exitCode) => resolve(exitCode));
    }),
    get output() {
      return output.join("\n");
    },
    kill: () => child.kill("SIGKILL"),
  };
}

function follow(child: ChildProcess, onEvent: (event: AppEvent) => void, output: string[]): void {
  if (child.stdout === null || child.stderr === null) return;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = parseAppEvent(line);
    if (event === null) output.push(line);
    else onEvent(event);
  });
  createInterface({ input: child.stderr }).on("line", (line) => output.push(line));
}
