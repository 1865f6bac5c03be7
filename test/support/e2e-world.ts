import { Reseolio } from "../../src/sdk/index.ts";
import type { JobHandle, JobOptions, ReseolioOptions } from "../../src/sdk/index.ts";
import type { Recipe, RecipeResult, WorkerSettings } from "../e2e/fixtures/recipe.ts";
import type { FixtureProcess } from "./fixture-process.ts";
import { spawnFixture } from "./fixture-process.ts";
import { Ledger } from "./ledger.ts";
import { spawnDaemon } from "./spawn-daemon.ts";
import type { DaemonOptions, SpawnedDaemon } from "./spawn-daemon.ts";
import { tempDir } from "./temp-dir.ts";

/** A daemon, a client of it in this process, and workers in processes of their own; `await using` ends them all. */
export interface E2eWorld extends AsyncDisposable {
  readonly daemon: SpawnedDaemon;
  readonly client: Reseolio;
  readonly ledger: Ledger;
  /** Starts a worker and resolves when it is connected. */
  startWorker(options?: Partial<WorkerSettings>): Promise<FixtureProcess>;
  /** A further client of the same daemon, which runs nothing. */
  startClient(options?: ReseolioOptions): Promise<Reseolio>;
  /** Stores one job of the workers' function. */
  enqueue(recipe: Recipe, options?: JobOptions): Promise<JobHandle<RecipeResult>>;
  /** Releases it with the world, in reverse order. */
  own<T extends AsyncDisposable>(thing: T): T;
}

/** The one function of the worker fixture. */
export const WORK = "e2e:work:recipe";

/** @param args further arguments of `serve` */
export async function createE2eWorld(args: readonly string[] = [], options: DaemonOptions = {}): Promise<E2eWorld> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await tempDir("reseolio-e2e-"));
  const daemon = starting.use(await spawnDaemon({ db: dir.file("reseolio.db"), ...options, args }));
  const client = starting.use(await startClient(daemon));
  const ledger = new Ledger(dir.file("ledger.jsonl"));
  const owned = starting.move();
  return {
    daemon,
    client,
    ledger,
    startClient: async (clientOptions) => owned.use(await startClient(daemon, clientOptions)),
    startWorker: async (settings) => owned.use(await startWorker(daemon, ledger, settings)),
    enqueue: (recipe, jobOptions) => client.enqueue<RecipeResult>(WORK, [recipe], jobOptions),
    own: (thing) => owned.use(thing),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startClient(daemon: SpawnedDaemon, options: ReseolioOptions = {}): Promise<Reseolio> {
  const client = new Reseolio({ address: daemon.address, autoStart: false, workerConcurrency: 0, ...options });
  await client.start();
  return client;
}

async function startWorker(
  daemon: SpawnedDaemon,
  ledger: Ledger,
  settings: Partial<WorkerSettings> = {},
): Promise<FixtureProcess> {
  const defaults: WorkerSettings = {
    address: daemon.address,
    ledger: ledger.path,
    concurrency: 10,
    drainTimeoutMs: 10_000,
    functionName: WORK,
  };
  const worker = spawnFixture("worker", {
    settings: { ...defaults, ...settings },
    onLine: () => ledger.noteWritten(),
  });
  try {
    await worker.line("ready");
    return worker;
  } catch (error) {
    await worker.kill();
    throw error;
  }
}
