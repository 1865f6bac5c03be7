import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isatty } from "node:tty";
import { type AppEvent, type AppSettings, WEBHOOKS } from "./app-contract.ts";
import { type AppProcess, startApp } from "./app-process.ts";
import { checkClaims, type StoredJob } from "./claims.ts";
import { findProcesses } from "./find-processes.ts";
import { readStore } from "./read-store.ts";
import { type Delivery, type Receiver, startReceiver } from "./receiver.ts";
import { styleFor, Timeline } from "./timeline.ts";

/** Requests of each webhook that the receiver refuses before it accepts one. */
const REFUSALS = new Map(WEBHOOKS.map((webhook, index) => [webhook, [4, 5, 4, 5, 6][index] ?? 4]));
/** Request numbers at which everything, and later the daemon alone, is killed while the request is in progress. */
const KILL_ALL_AT = 8;
const KILL_DAEMON_AT = 17;
const DOWN_FOR_MS = 1_000;
const DEADLINE_MS = 55_000;
const POLL_MS = 20;

/** Plays the demo and prints its timeline. True when every claim holds. Leaves no process and no file. */
export async function runDemo(executable: string): Promise<boolean> {
  const timeline = new Timeline((text) => process.stdout.write(text), styleFor(process.env, isatty(1)));
  const demo = new Demo(executable, timeline);
  // However this process ends, it stops what it started.
  process.on("exit", () => demo.cleanUp());
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
  // The reader of the timeline has closed it, as `head` does.
  process.stdout.once("error", () => process.exit(1));
  try {
    return await demo.play();
  } finally {
    demo.cleanUp();
  }
}

class Demo {
  readonly #directory = mkdtempSync(join(tmpdir(), "reseolio-demo-"));
  readonly #file = join(this.#directory, "demo.db");
  readonly #acknowledged: { webhook: string; jobId: string }[] = [];
  readonly #kills: number[] = [];
  readonly #failure = Promise.withResolvers<never>();
  readonly #finished = Promise.withResolvers<void>();
  readonly #arrivals = new Map<number, () => void>();
  #receiver: Receiver | undefined;
  #app: AppProcess | undefined;

  constructor(
    private readonly executable: string,
    private readonly timeline: Timeline,
  ) {}

  async play(): Promise<boolean> {
    // It may fail before anybody waits for it.
    this.#failure.promise.catch(() => {});
    const timer = setTimeout(() => this.#fail(`not finished within ${DEADLINE_MS / 1000} s`), DEADLINE_MS);
    try {
      await this.#perform();
    } finally {
      clearTimeout(timer);
    }
    await this.#stopDaemon();
    return this.#judge(readStore(this.#file));
  }

  async #perform(): Promise<void> {
    this.timeline.heading(
      "Five webhooks, a receiver that refuses the first requests of each, and kill -9 in the middle of the retries",
    );
    this.timeline.say(
      "  A call is on disk before the app hears that it is stored. Watch the attempt numbers: after each kill",
    );
    this.timeline.say(
      "  they continue where they were. An attempt that was running when its process died runs again.\n",
    );
    const settings = await this.#prepare();
    const killAll = this.#arrival(KILL_ALL_AT);
    const killDaemon = this.#arrival(KILL_DAEMON_AT);

    this.#startApp(settings, "starts");
    await this.#unlessFailed(killAll);
    await this.#killEverything();
    this.#startApp(settings, "starts again, with the same code: it makes the same calls");
    await this.#unlessFailed(killDaemon);
    await this.#killDaemon();
    await this.#unlessFailed(this.#finished.promise);
    await this.#unlessFailed(Promise.resolve(this.#app?.exited));
  }

  async #prepare(): Promise<AppSettings> {
    this.#receiver = await startReceiver(REFUSALS, (delivery) => this.#onDelivery(delivery));
    this.timeline.tell("receiver", `listens at ${this.#receiver.url}`);
    return {
      storage: `sqlite://${this.#file}`,
      address: `127.0.0.1:${await freePort()}`,
      coreBinaryPath: this.executable,
      receiverUrl: this.#receiver.url,
    };
  }

  #startApp(settings: AppSettings, what: string): void {
    const app = startApp(settings, (event) => {
      if (this.#app === app) this.#onEvent(event);
    });
    this.#app = app;
    this.timeline.tell("app", `${what} (pid ${app.pid})`);
    app.exited.then(
      (exitCode) => {
        if (this.#app === app && exitCode !== 0) this.#fail(`the application exited (${exitCode}):\n${app.output}`);
      },
      (error: unknown) => this.#fail(`the application did not start: ${String(error)}`),
    );
  }

  #onDelivery({ webhook, attempt, status }: Delivery): void {
    const request = `${webhook}, attempt ${attempt}`;
    if (status === 200) this.timeline.tellSuccess("receiver", `${request}: 200, delivered`);
    else this.timeline.tell("receiver", `${request}: 503, refused`);
    this.#arrivals.get(this.#receiver?.log.length ?? 0)?.();
  }

  #onEvent(event: AppEvent): void {
    switch (event.kind) {
      case "started":
        return this.timeline.tell("daemon", `is running, started by the app (pid ${this.#daemons().join(", ")})`);
      case "stored":
        this.#acknowledged.push(event);
        return this.timeline.tell("app", `${event.webhook} ${event.wasThere ? "is stored already" : "is stored"}`);
      case "disconnected":
        return this.timeline.tell("app", "lost the daemon; its handlers continue, and it starts another daemon");
      case "reconnected":
        return this.timeline.tell("daemon", `is running again, started by the app (pid ${this.#daemons().join(", ")})`);
      case "finished":
        this.timeline.tell("app", "has the result of every call");
        return this.#finished.resolve();
    }
  }

  /** Ends when the receiver has got this many requests; the last of them is not answered yet. */
  #arrival(count: number): Promise<void> {
    return new Promise((resolve) => this.#arrivals.set(count, resolve));
  }

  async #killEverything(): Promise<void> {
    const app = this.#app;
    const daemons = this.#daemons();
    this.#app = undefined;
    this.#kills.push(this.#receiver?.log.length ?? 0);
    app?.kill();
    for (const pid of daemons) killQuietly(pid);
    this.timeline.tell("kill -9", `app (pid ${app?.pid}) and daemon (pid ${daemons.join(", ")})`);
    await app?.exited;
    await this.#untilNoDaemon();
    this.timeline.tell("store", `nothing is running; the file holds ${describe(readStore(this.#file))}`);
    await Bun.sleep(DOWN_FOR_MS);
  }

  async #killDaemon(): Promise<void> {
    const daemons = this.#daemons();
    this.#kills.push(this.#receiver?.log.length ?? 0);
    for (const pid of daemons) killQuietly(pid);
    this.timeline.tell("kill -9", `the daemon alone (pid ${daemons.join(", ")})`);
    await Promise.resolve();
  }

  async #stopDaemon(): Promise<void> {
    for (const pid of this.#daemons()) process.kill(pid, "SIGTERM");
    await this.#unlessFailed(this.#untilNoDaemon());
    this.timeline.tell("daemon", "stopped; by itself it exits 10 s after its last client disconnects");
  }

  #judge(stored: readonly StoredJob[]): boolean {
    const claims = checkClaims({
      webhooks: WEBHOOKS,
      acknowledged: this.#acknowledged,
      stored,
      deliveries: this.#receiver?.log ?? [],
      kills: this.#kills,
    });
    this.timeline.heading("Checked in the database file and in the receiver's log");
    for (const { text, faults } of claims) {
      this.timeline.verdict(faults.length === 0, text);
      for (const fault of faults) this.timeline.say(`          ${fault}`);
    }
    return claims.every(({ faults }) => faults.length === 0);
  }

  /** Ends at once, whatever runs; only for the end of the demo. Harmless a second time. */
  cleanUp(): void {
    const app = this.#app;
    this.#app = undefined;
    app?.kill();
    for (const pid of this.#daemons()) killQuietly(pid);
    this.#receiver?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Only a daemon of this demo has its directory in its arguments. */
  #daemons(): readonly number[] {
    return findProcesses(this.#directory);
  }

  async #untilNoDaemon(): Promise<void> {
    while (this.#daemons().length > 0) await Bun.sleep(POLL_MS);
  }

  #fail(reason: string): void {
    this.#failure.reject(new Error(`${reason}${this.#app === undefined ? "" : `\n${this.#app.output}`}`.trimEnd()));
  }

  #unlessFailed<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#failure.promise]);
  }
}

/** `5 jobs: 3 RUNNING, 2 PENDING` */
function describe(jobs: readonly StoredJob[]): string {
  const counts = [...Map.groupBy(jobs, (job) => job.state)].map(([state, group]) => `${group.length} ${state}`);
  return `${jobs.length} jobs: ${counts.join(", ")}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
