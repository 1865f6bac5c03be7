import { Reseolio } from "../../src/sdk/index.ts";
import type { JobHandle, JobOptions, ReseolioOptions } from "../../src/sdk/index.ts";
import type { Recipe, RecipeResult, WorkerSettings } from "../e2e/fixtures/recipe.ts";
import { WORK } from "./e2e-world.ts";
import type { FixtureProcess } from "./fixture-process.ts";
import { spawnFixture } from "./fixture-process.ts";
import { Ledger } from "./ledger.ts";
import { testDatabase } from "./postgres-database.ts";
import { startSettingsDropper } from "./settings-dropper.ts";
import { spawnDaemon } from "./spawn-daemon.ts";
import type { SpawnedDaemon } from "./spawn-daemon.ts";
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

export interface ClusterOptions {
  /** Further arguments of every `serve`. */
  readonly args?: readonly string[];
  /** The daemons reach the server through what lets no hint pass, as a pooler of transactions does. */
  readonly isPooled?: boolean;
}

export async function createClusterWorld(count: number, options: ClusterOptions = {}): Promise<ClusterWorld> {
  await using starting = new AsyncDisposableStack();
  const dir = starting.use(await tempDir("reseolio-cluster-"));
  const database = starting.use(await testDatabase());
  const db = options.isPooled === true ? await poolerUrl(database.url, starting) : database.url;
  const starts = Array.from({ length: count }, () => spawnDaemon({ db, args: options.args ?? [] }));
  const daemons = await Promise.all(starts.map(async (start) => starting.use(await start)));
  const ledger = new Ledger(dir.file("ledger.jsonl"));
  const owned = starting.move();
  return {
    daemons,
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

async function poolerUrl(url: string, owned: AsyncDisposableStack): Promise<string> {
  const through = new URL(url);
  const dropper = owned.use(await startSettingsDropper(Number(through.port)));
  through.host = dropper.address;
  return through.toString();
}

function addressOf(daemons: readonly SpawnedDaemon[]): string {
  return daemons.map((daemon) => daemon.address).join(",");
}

/** Daemons by name, for tests that tell one from another. */
export function pairOf({ daemons: [here, there] }: ClusterWorld): readonly [SpawnedDaemon, SpawnedDaemon] {
  if (here === undefined || there === undefined) throw new Error("the cluster has fewer than two daemons");
  return [here, there];
}

/** Stores one job of the workers' function. */
export function enqueueWork(client: Reseolio, recipe: Recipe, options?: JobOptions): Promise<JobHandle<RecipeResult>> {
  return client.enqueue<RecipeResult>(WORK, [recipe], options);
}
