import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import {
  type CallerSettings,
  type ClientSettings,
  type FlowWorkerSettings,
  type OrderWorkerSettings,
  SETTINGS_VARIABLE,
  type WaiterSettings,
  type WorkerSettings,
} from "./child-settings.ts";

/** A client or worker process of the soak. */
export interface SoakChild {
  readonly pid: number;
  /** Writes a line to its stdin. */
  tell(line: string): void;
  /** SIGKILL; ends when it is gone. Harmless when it is gone already. */
  kill(): Promise<void>;
  /** The exit code; null when a signal ended the process. */
  readonly exited: Promise<number | null>;
  /** The output, for error messages. */
  readonly output: string;
}

/** Starts it with this Bun; it begins at once. */
export function startClient(settings: ClientSettings): SoakChild {
  return start("client.ts", settings);
}

/** Ends when the worker is connected. */
export async function startWorker(settings: WorkerSettings): Promise<SoakChild> {
  return untilReady(start("worker.ts", settings));
}

/** Ends when the worker is connected. */
export async function startFlowWorker(settings: FlowWorkerSettings): Promise<SoakChild> {
  return untilReady(start("chaos/worker.ts", settings));
}

/** Ends when the caller is connected. */
export async function startCaller(settings: CallerSettings): Promise<SoakChild> {
  return untilReady(start("chaos/caller.ts", settings));
}

/** Ends when the waiter is connected. */
export async function startWaiter(settings: WaiterSettings): Promise<SoakChild> {
  return untilReady(start("events/waiter.ts", settings));
}

/** Ends when the worker is connected. */
export async function startOrderWorker(settings: OrderWorkerSettings): Promise<SoakChild> {
  return untilReady(start("undo/worker.ts", settings));
}

async function untilReady(child: SoakChild): Promise<SoakChild> {
  while (!child.output.includes("ready\n")) {
    const ended = await Promise.race([child.exited.then(() => true), Bun.sleep(5).then(() => false)]);
    if (ended) throw new Error(`a process of the soak did not start:\n${child.output}`);
  }
  return child;
}

type Settings = ClientSettings | WorkerSettings | CallerSettings | WaiterSettings | OrderWorkerSettings;

function start(file: string, settings: Settings): SoakChild {
  const process_ = spawn(process.execPath, [join(import.meta.dir, file)], {
    // The child exits when its stdin ends, which it does with this process.
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, [SETTINGS_VARIABLE]: JSON.stringify(settings) },
  });
  const output: Buffer[] = [];
  process_.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  process_.stderr.on("data", (chunk: Buffer) => output.push(chunk));
  process_.stdin.on("error", () => {});
  const exited = new Promise<number | null>((resolve) => process_.once("exit", (code) => resolve(code)));
  return {
    pid: process_.pid ?? 0,
    exited,
    tell: (line) => void process_.stdin.write(`${line}\n`),
    kill: () => kill(process_),
    get output() {
      return Buffer.concat(output).toString();
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
