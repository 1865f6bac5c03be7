import { Reseolio } from "../../src/sdk/index.ts";
import type { JobHandle, JobOptions, ReseolioOptions } from "../../src/sdk/index.ts";
import type { Recipe, RecipeResult, WorkerSettings } from "../e2e/fixtures/recipe.ts";
import { WORK } from "./e2e-world.ts";
import type { FixtureProcess } from "./fixture-process.ts";
import { spawnFixture } from "./fixture-process.ts";
import { Ledger } from "./ledger.ts";
import { testDatabase } from "./postgres-database.ts";
import { spawnDaemon } from "./spawn-daemon.ts";
import type { DaemonOptions, SpawnedDaemon } from "./spawn-daemon.ts";
import { tempDir } from "./temp-dir.ts";

/** Several daemons on one PostgreSQL database, with clients here and workers in processes of their own. */
export interface ClusterWorld extends AsyncDisposable {
  readonly daemons: readonly SpawnedDaemon[];
  /** Of the database. */
  readonly url: string;
  readonly ledger: Ledger;
  /** Starts a worker at these daemons, which it tries in turn, and resolves when it is connected. */
  startWorker(at: readonly SpawnedDaemon[], settings?: Partial<WorkerSettings>): Promise<FixtureProcess>;
  /** A client of these daemons, which runs nothing. */
  startClient(at: readonly SpawnedDaemon[], options?: ReseolioOptions): Promise<Reseolio>;
  /** Releases it with the world, in reverse order. */
  own<T extends AsyncDisposable>(thing: T): T;
}

/** @param daemons options of each daemon */
export async function createClusterWorld(daemons: readonly DaemonOptions[]): Promise<ClusterWorld> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await tempDir("reseolio-cluster-"));
  const database = starting.use(await testDatabase());
  const started = await Promise.all(daemons.map((options) => spawnDaemon({ db: database.url, ...options })));
  for (const daemon of started) starting.use(daemon);
  const ledger = new Ledger(dir.file("ledger.jsonl"));
  const owned = starting.move();
  return {
    daemons: started,
    url: database.url,
    ledger,
    startClient: async (at, options = {}) => {
      const client = new Reseolio({ ...options, address: addressOf(at), autoStart: false, workerConcurrency: 0 });
      owned.use(client);
      await client.start();
      return client;
    },
    startWorker: async (at, settings = {}) => {
      const worker = spawnFixture("worker", {
        settings: { ...WORKER, ...settings, address: addressOf(at), ledger: ledger.path },
        onLine: () => ledger.noteWritten(),
      });
      owned.use(worker);
      await worker.line("ready");
      return worker;
    },
    own: (thing) => owned.use(thing),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const WORKER: Omit<WorkerSettings, "address" | "ledger"> = {
  concurrency: 10,
  drainTimeoutMs: 10_000,
  functionName: WORK,
};

function addressOf(daemons: readonly SpawnedDaemon[]): string {
  return daemons.map((daemon) => daemon.address).join(",");
}

/** Stores one job of the workers' function. */
export function enqueueWork(client: Reseolio, recipe: Recipe, options?: JobOptions): Promise<JobHandle<RecipeResult>> {
  return client.enqueue<RecipeResult>(WORK, [recipe], options);
}
