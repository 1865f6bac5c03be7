/**
 * A test whose handlers have to start over, once for each store and each way to make them. Write
 *
 *     testInterrupted("P11: the winner of a race stays the winner (R2)", "replay/order", async (world) => {
 *       const job = await world.enqueue("replay:race", "order-1");
 *       await world.interrupt(["order-1"]);
 *       expect(await job.result(20_000)).toBe("paid");
 *     });
 *
 * With "kill -9" the first worker is killed when its handlers stand still, and a second one takes over; with "given-up
 * memory" one worker keeps no handler in memory that waits.
 */
import { existsSync, readFileSync } from "node:fs";
import type { JobHandle, JobOptions } from "../../src/sdk/index.ts";
import { type Interruption, INTERRUPTIONS, type ReplayWorkerSettings } from "../e2e/fixtures/replay/interruption.ts";
import { type StoreWorld, testOnEachStore, type TestStore } from "./each-store.ts";
import { reseolioCommand } from "./executable.ts";
import { type FixtureProcess, spawnFixture } from "./fixture-process.ts";
import { runOrThrow } from "./run-command.ts";
import { tempDir } from "./temp-dir.ts";

export interface ReplayWorld extends StoreWorld {
  readonly interruption: Interruption;
  /** The process that runs the handlers now. */
  readonly worker: FixtureProcess;
  /** Stores a job of which the subject is the first argument. */
  start<T>(
    functionName: string,
    subject: string,
    args?: readonly unknown[],
    options?: JobOptions,
  ): Promise<JobHandle<T>>;
  /** Kills the worker when the handlers of all these subjects stand still, and starts the next; or lets it go on. */
  interrupt(subjects: readonly string[]): Promise<void>;
  /** Kills the worker, and starts the next. @param version of the code that it runs */
  replaceWorker(version?: number): Promise<void>;
  /** What was done for this subject, in order; executions of its handler are left out. */
  effectsOf(subject: string): readonly string[];
  /** How often its handler began. */
  executionsOf(subject: string): number;
  /** Stdout of a command of `reseolio`. */
  cli(...args: readonly string[]): Promise<string>;
}

export function testInterrupted(
  name: string,
  fixture: string,
  run: (world: ReplayWorld) => Promise<void>,
  interruptions: readonly Interruption[] = INTERRUPTIONS,
): void {
  for (const interruption of interruptions) {
    testOnEachStore(`${name}, after ${interruption}`, async (store) => {
      await using world = await createReplayWorld(store, fixture, interruption);
      await run(world);
    });
  }
}

/** Asks until it is so. */
export async function until(isSo: () => Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`within ${withinMs} ms it did not come true that ${what}`);
    await Bun.sleep(10);
  }
}

export async function createReplayWorld(
  store: TestStore,
  fixture: string,
  interruption: Interruption,
): Promise<ReplayWorld> {
  await using starting = new AsyncDisposableStack();
  const world = starting.use(await store.createWorld(["--lease", "2s"]));
  const dir = starting.use(await tempDir("reseolio-replay-"));
  const effects = dir.file("effects");
  const common = { address: world.daemon.address, effects, interruption };
  const workers = starting.use(new WorkerSeat(fixture, common));
  await workers.replace(1);
  const linesOf = (subject: string): readonly string[] => linesOfSubject(effects, subject);
  const owned = starting.move();
  return {
    ...world,
    interruption,
    get worker() {
      return workers.current;
    },
    start: (name, subject, args = [], options = {}) => world.client.enqueue(name, [subject, ...args], options),
    interrupt: async (subjects) => {
      if (interruption === "given-up memory") return;
      await Promise.all(subjects.map((subject) => workers.current.line(`stands still ${subject}`)));
      await workers.replace();
    },
    replaceWorker: (version) => workers.replace(version),
    effectsOf: (subject) => linesOf(subject).filter((line) => line !== "execution"),
    executionsOf: (subject) => linesOf(subject).filter((line) => line === "execution").length,
    cli: (...args) => runOrThrow([...reseolioCommand(), ...args, "--addr", world.daemon.address]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** One worker at a time. */
class WorkerSeat implements AsyncDisposable {
  #process: FixtureProcess | undefined;
  #version = 1;

  constructor(
    private readonly fixture: string,
    private readonly common: Pick<ReplayWorkerSettings, "address" | "effects" | "interruption">,
  ) {}

  get current(): FixtureProcess {
    if (this.#process === undefined) throw new Error("no worker has been started");
    return this.#process;
  }

  async replace(version = this.#version): Promise<void> {
    const isFirst = this.#process === undefined;
    await this.#process?.kill();
    this.#version = version;
    this.#process = spawnFixture(this.fixture, { settings: { ...this.common, isFirst, version } });
    await this.#process.line("ready");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.kill();
  }
}

function linesOfSubject(path: string, subject: string): readonly string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line.startsWith(`${subject}\t`)).map((line) => line.slice(subject.length + 1));
}
