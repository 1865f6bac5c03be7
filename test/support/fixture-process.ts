import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { checkout } from "./executable.ts";
import { environment } from "./run-command.ts";
import type { ExitStatus } from "./spawn-daemon.ts";

/** A program of `test/e2e/fixtures` in a process of its own, under this very Bun. `await using` kills it. */
export interface FixtureProcess extends AsyncDisposable {
  readonly pid: number;
  /** Everything it wrote on stderr. */
  readonly stderr: string;
  /** Resolves with the first line of stdout, of the past or the future, that begins so; throws when it ends before. */
  line(prefix: string, withinMs?: number): Promise<string>;
  /** Writes a line to its stdin. */
  tell(line: string): void;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. Harmless when it is gone already. */
  kill(): Promise<void>;
  exited(withinMs?: number): Promise<ExitStatus>;
}

export interface FixtureOptions {
  /** Given to the program as JSON in `FIXTURE_SETTINGS`. */
  readonly settings: unknown;
  /** Called with each line of stdout as it comes. */
  readonly onLine?: (line: string) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `test/e2e/fixtures/NAME.ts`. Does not wait for anything it says. */
export function spawnFixture(name: string, options: FixtureOptions): FixtureProcess {
  const child = spawn(process.execPath, [resolve(checkout, "test/e2e/fixtures", `${name}.ts`)], {
    env: environment({ ...options.env, FIXTURE_SETTINGS: JSON.stringify(options.settings) }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  return new Fixture(name, child, options.onLine ?? (() => {}));
}

/** What a fixture was given; called inside the fixture. */
export function fixtureSettings<T>(): T {
  return JSON.parse(process.env["FIXTURE_SETTINGS"] ?? "null") as T;
}

const living = new Set<ChildProcess>();
// A test run that ends early leaves nothing behind, not even what it has stopped.
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

interface LineWaiter {
  readonly prefix: string;
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

class Fixture implements FixtureProcess {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #errors: Buffer[] = [];
  readonly #waiters = new Set<LineWaiter>();
  readonly #status: Promise<ExitStatus>;

  constructor(name: string, child: ChildProcess, onLine: (line: string) => void) {
    this.#name = name;
    this.#child = child;
    living.add(child);
    child.stderr?.on("data", (bytes: Buffer) => this.#errors.push(bytes));
    // A program that was killed does not read what it is told.
    child.stdin?.on("error", () => {});
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.#lines.push(line);
        onLine(line);
        for (const waiter of this.#waiters) if (line.startsWith(waiter.prefix)) waiter.resolve(line);
      });
    }
    this.#status = once(child, "close").then(([exitCode, signal]: unknown[]) => ({ exitCode, signal }) as ExitStatus);
    void this.#status.then((status) => this.#onEnd(status));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stderr(): string {
    return Buffer.concat(this.#errors).toString();
  }

  line(prefix: string, withinMs = 20_000): Promise<string> {
    const said = this.#lines.find((line) => line.startsWith(prefix));
    if (said !== undefined) return Promise.resolve(said);
    if (!living.has(this.#child)) return Promise.reject(this.#failure(`ended without saying ${prefix}`));
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter = { prefix, resolve, reject };
    this.#waiters.add(waiter);
    const timer = setTimeout(() => reject(this.#failure(`did not say ${prefix} within ${withinMs} ms`)), withinMs);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    });
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    if (living.has(this.#child)) this.#child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#status;
  }

  exited(withinMs = 20_000): Promise<ExitStatus> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(this.#failure(`still runs after ${withinMs} ms`)), withinMs);
    return Promise.race([this.#status, late.promise]).finally(() => clearTimeout(timer));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #onEnd({ exitCode, signal }: ExitStatus): void {
    living.delete(this.#child);
    for (const { prefix, reject } of this.#waiters) {
      reject(this.#failure(`ended with ${signal ?? `exit code ${exitCode}`} before it said ${prefix}`));
    }
  }

  #failure(what: string): Error {
    return new Error(`the fixture ${this.#name} ${what}\n${this.#lines.slice(-20).join("\n")}\n${this.stderr}`);
  }
}
