import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";

/** The compiled daemon, in a process of its own. */
export interface BenchDaemon {
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** From the start of the process to the first good answer of `/readyz`. */
  readonly readyMs: number;
  /** SIGTERM, then SIGKILL after 10 s. Harmless when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; ends when it is gone. */
  kill(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;

const living = new Set<ChildProcess>();
// A run that ends early leaves no daemon behind.
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

/** How a daemon is started, besides its file. */
export interface DaemonOptions {
  /** [a free one] */
  readonly port?: number;
  /** On top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Throws with its output when it does not get ready. */
export async function startDaemon(executable: string, db: string, options: DaemonOptions = {}): Promise<BenchDaemon> {
  const port = options.port ?? (await freePort());
  const address = `127.0.0.1:${port}`;
  const startedAt = performance.now();
  const child = spawn(executable, ["serve", "--db", db, "--addr", address], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...withoutOwnVariables(process.env), ...options.env },
  });
  living.add(child);
  child.once("exit", () => living.delete(child));
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
  try {
    await untilReady(child, address, startedAt + READY_WITHIN_MS);
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`the daemon is not ready at ${address}:\n${Buffer.concat(output).toString()}`, { cause: error });
  }
  const readyMs = performance.now() - startedAt;
  return {
    address,
    port,
    pid: child.pid ?? 0,
    readyMs,
    stop: () => end(child, "SIGTERM"),
    kill: () => end(child, "SIGKILL"),
  };
}

async function untilReady(child: ChildProcess, address: string, deadline: number): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    if (await answersReady(address)) return;
    if (performance.now() >= deadline) throw new Error("it does not answer /readyz");
    await Bun.sleep(1);
  }
}

async function answersReady(address: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${address}/readyz`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(patience);
}

/** Resident memory of a process in bytes; null if the system does not report it. */
export function residentBytes(pid: number): number | null {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, "status"))?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

/** Milliseconds of processor time that a process has used; null if the system does not report it. */
export function processorMs(pid: number): number | null {
  // The name in brackets may hold spaces: the numbers come after it. Ticks are 10 ms on every Linux that runs this.
  const fields = readProc(pid, "stat").split(") ")[1]?.split(" ");
  if (fields === undefined) return null;
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Bytes of a database with its log. */
export function databaseBytes(path: string): number {
  return ["", "-wal"]
    .map((suffix) => statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size);
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** A setting of whoever runs the benchmark must not change what is measured. */
function withoutOwnVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("RESEOLIO_")));
}

/** A port of this host that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
