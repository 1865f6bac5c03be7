import { type ChildProcess, spawn } from "node:child_process";

/** A daemon under a supervisor that starts it again, on the same port, whenever it ends: as systemd does. */
export class SupervisedDaemon {
  readonly address: string;
  /** Ends of the process that nobody asked for, while it was serving. */
  readonly unwantedEnds: string[] = [];
  readonly #command: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #output: Buffer[] = [];
  #child: ChildProcess | null = null;
  #isServing = false;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Starts it. @param env on top of this process's environment */
  constructor(
    command: readonly string[],
    db: string,
    port: number,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#env = env;
    this.address = `127.0.0.1:${port}`;
    this.#command = [...command, "serve", "--db", db, "--addr", this.address, ...args];
    process.on("exit", () => this.#child?.kill("SIGKILL"));
    this.#start();
  }

  /** Process ID of the current process. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Everything that its processes wrote. */
  get output(): string {
    return Buffer.concat(this.#output).toString();
  }

  /** `output` without the messages of processes that found no database and exited, which are not log lines. */
  get servingOutput(): string {
    return this.output.replaceAll(/^error: .*\n/gm, "");
  }

  /** SIGKILL; it is started again. */
  kill(): void {
    this.#isServing = false;
    this.#child?.kill("SIGKILL");
  }

  /** Throws after the time. */
  async ready(withinMs: number): Promise<void> {
    const endAt = performance.now() + withinMs;
    while (!this.#isServing) {
      if (performance.now() > endAt) throw new Error(`no daemon serves at ${this.address}:\n${this.output}`);
      await Bun.sleep(20);
    }
  }

  /** For good. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#isServing = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  #start(): void {
    const [file = "", ...args] = this.#command;
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...this.#env } });
    this.#child = child;
    child.stdout.on("data", (bytes: Buffer) => this.#output.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => {
      this.#output.push(bytes);
      if (bytes.includes('"listening"')) this.#isServing = true;
    });
    child.once("exit", (code, signal) => {
      if (this.#isServing) this.unwantedEnds.push(`the daemon ended by itself with ${signal ?? `exit code ${code}`}`);
      this.#isServing = false;
      if (!this.#isOver) this.#timer = setTimeout(() => this.#start(), RESTART_MS);
    });
  }
}

const RESTART_MS = 300;
