import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Answer, Order, Timing } from "./child-protocol.ts";

/** How to start a client or worker: this Bun, or a bundle on Node. */
export interface Runtime {
  readonly name: "bun" | "node";
  readonly command: readonly string[];
}

/** A client or worker process. Orders are obeyed one after the other. */
export interface Child {
  readonly pid: number;
  connect(address: string, concurrency: number): Promise<void>;
  /** Throws with the child's own message when it failed. */
  time(order: Order): Promise<Timing>;
  do(order: Order): Promise<Answer>;
  /** Disconnects and ends; harmless when it is gone. */
  stop(): Promise<void>;
}

/** This Bun, from the source. */
export function bunRuntime(): Runtime {
  return { name: "bun", command: [process.execPath, join(import.meta.dir, "child.ts")] };
}

/** Null, with nothing left behind, when there is no Node of version 20 or later. */
export async function nodeRuntime(directory: string): Promise<Runtime | null> {
  const node = Bun.which("node");
  if (node === null) return null;
  const version = Bun.spawnSync([node, "--version"]).stdout.toString();
  if (Number(/^v(\d+)/.exec(version)?.[1] ?? 0) < 20) return null;
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "child.ts")],
    target: "node",
    outdir: directory,
  });
  const output = built.outputs[0];
  if (output === undefined)
    throw new Error(`the benchmark's client does not bundle: ${built.logs.map(({ message }) => message).join("\n")}`);
  const bundle = join(directory, "child.mjs");
  await Bun.write(bundle, await output.text());
  return { name: "node", command: [node, bundle] };
}

/** Starts a process that waits for orders; it ends with this one. */
export function startChild(runtime: Runtime): Child {
  const [file = "", ...args] = runtime.command;
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stderr.pipe(process.stderr);
  return new ChildLink(child);
}

class ChildLink implements Child {
  readonly #waiting: ((answer: Answer) => void)[] = [];
  readonly #lines: Interface;
  readonly #gone: Promise<void>;
  #end: string | null = null;

  constructor(private readonly child: ChildProcessWithoutNullStreams) {
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.on("line", (line) => this.#waiting.shift()?.(JSON.parse(line) as Answer));
    // A child that is gone does not read: its end is told by its exit.
    child.stdin.on("error", () => {});
    this.#gone = new Promise((resolve) => {
      child.once("error", (error) => this.#ended(error.message, resolve));
      child.once("exit", (code, signal) => this.#ended(`it ended with ${signal ?? `exit code ${code}`}`, resolve));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async connect(address: string, concurrency: number): Promise<void> {
    await this.do({ op: "connect", address, concurrency });
  }

  async time(order: Order): Promise<Timing> {
    const answer = await this.do(order);
    if (answer.kind === "timing") return answer.timing;
    throw new Error(`${order.op}: the answer is ${answer.kind}, not a timing`);
  }

  async do(order: Order): Promise<Answer> {
    const answer = await new Promise<Answer>((resolve) => {
      if (this.#end !== null) return resolve({ kind: "failed", message: this.#end });
      this.#waiting.push(resolve);
      this.child.stdin.write(`${JSON.stringify(order)}\n`);
    });
    if (answer.kind === "failed") throw new Error(`${order.op} failed in process ${this.pid}: ${answer.message}`);
    return answer;
  }

  async stop(): Promise<void> {
    if (this.#end !== null) return;
    await this.do({ op: "stop" }).catch(() => {});
    this.child.stdin.end();
    const patience = setTimeout(() => this.child.kill("SIGKILL"), 3_000);
    await this.#gone;
    clearTimeout(patience);
  }

  #ended(reason: string, resolve: () => void): void {
    this.#end = reason;
    for (const answer of this.#waiting.splice(0)) answer({ kind: "failed", message: reason });
    resolve();
  }
}
