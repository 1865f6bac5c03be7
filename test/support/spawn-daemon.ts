import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { reseolioCommand } from "./executable.ts";
import { freePort } from "./free-port.ts";
import { environment } from "./run-command.ts";
import { tempDir } from "./temp-dir.ts";

export interface DaemonOptions {
  /** Program and leading arguments. [the compiled binary or the source, see `executable.ts`] */
  readonly command?: readonly string[];
  /** [a new SQLite file in a directory of its own, removed at the end] */
  readonly db?: string;
  /** [a free one] */
  readonly port?: number;
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** How long it may take until `/readyz` answers. [20000] */
  readonly readyWithinMs?: number;
}

export interface ExitStatus {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A daemon in a process of its own. `await using daemon = await spawnDaemon()` kills it and removes its files. */
export interface SpawnedDaemon extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** What was given to `--db`. */
  readonly db: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** All output of all its processes so far. */
  readonly logs: string;
  /** SIGKILL; resolves when the process is gone. Harmless when it is gone already. */
  kill(): Promise<void>;
  /** Any other signal, without waiting: SIGSTOP, SIGCONT, SIGTERM. */
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and its exit status; throws when it does not leave within the time. [20000] */
  stop(withinMs?: number): Promise<ExitStatus>;
  /** Starts it again on the same port and file; kills it first when it still runs. Resolves when ready. */
  restart(): Promise<void>;
  /** The exit status of the process that runs now. */
  exited(): Promise<ExitStatus>;
}

/** Starts `reseolio serve` on a free port with a new database, and resolves when it is ready. */
export async function spawnDaemon(options: DaemonOptions = {}): Promise<SpawnedDaemon> {
  const dir = await tempDir("reseolio-daemon-");
  const daemon = new DaemonProcess(
    options,
    options.db ?? dir.file("reseolio.db"),
    options.cwd ?? dir.path,
    async () => {
      await dir[Symbol.asyncDispose]();
    },
  );
  try {
    await daemon.startOnFreePort();
    return daemon;
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

const living = new Set<ChildProcess>();
// A test run that ends early leaves no daemon behind.
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

class DaemonProcess implements SpawnedDaemon {
  readonly db: string;
  port: number;
  readonly #options: DaemonOptions;
  readonly #cwd: string;
  readonly #cleanUp: () => Promise<void>;
  readonly #output: Buffer[] = [];
  #child: ChildProcess | undefined;
  #status: Promise<ExitStatus> = Promise.resolve({ exitCode: null, signal: null });

  constructor(options: DaemonOptions, db: string, cwd: string, cleanUp: () => Promise<void>) {
    this.#options = options;
    this.db = db;
    this.port = options.port ?? 0;
    this.#cwd = cwd;
    this.#cleanUp = cleanUp;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get logs(): string {
    return Buffer.concat(this.#output).toString();
  }

  /** Another process may take the port between the choice and the bind: then with another one. */
  async startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.port = this.#options.port ?? (await freePort());
      try {
        return await this.#start();
      } catch (error) {
        const portTaken = this.#options.port === undefined && /EADDRINUSE|in use|taken/i.test(this.logs);
        if (!portTaken || attempt === 5) throw error;
      }
    }
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    if (this.#child !== undefined) await this.#status;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child !== undefined && living.has(this.#child)) this.#child.kill(name);
  }

  async stop(withinMs = 20_000): Promise<ExitStatus> {
    this.signal("SIGTERM");
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`the daemon still runs ${withinMs} ms after SIGTERM\n${this.logs}`)),
      withinMs,
    );
    return await Promise.race([this.#status, late.promise]).finally(() => clearTimeout(timer));
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.#start();
  }

  exited(): Promise<ExitStatus> {
    return this.#status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#cleanUp();
  }

  async #start(): Promise<void> {
    const [file, ...leading] = this.#options.command ?? reseolioCommand();
    if (file === undefined) throw new Error("spawnDaemon: the command is empty");
    const args = [...leading, "serve", "--db", this.db, "--addr", this.address, ...(this.#options.args ?? [])];
    const child = spawn(file, args, {
      cwd: this.#cwd,
      env: environment(this.#options.env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#follow(child);
    await this.#ready();
  }

  #follow(child: ChildProcess): void {
    living.add(child);
    child.stdout?.on("data", (chunk: Buffer) => this.#output.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#output.push(chunk));
    child.once("error", (error) => this.#output.push(Buffer.from(`${error.message}\n`)));
    this.#status = once(child, "close").then(
      ([exitCode, signal]: unknown[]) => ({ exitCode, signal }) as ExitStatus,
      () => ({ exitCode: null, signal: null }),
    );
    void this.#status.then(() => living.delete(child));
  }

  async #ready(): Promise<void> {
    const deadline = performance.now() + (this.#options.readyWithinMs ?? 20_000);
    const child = this.#child;
    while (performance.now() < deadline) {
      if (child === undefined || !living.has(child))
        throw new Error(`the daemon ended before it was ready\n${this.logs}`);
      if (await answersReady(this.url)) return;
      await Bun.sleep(15);
    }
    throw new Error(`the daemon at ${this.address} is not ready\n${this.logs}`);
  }
}

async function answersReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
