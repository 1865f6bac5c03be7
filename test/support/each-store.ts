/**
 * One source of end-to-end tests for both stores. Write
 *
 *     testOnEachStore("P3: one key is one job", async (store) => {
 *       await using world = await store.createWorld(["--lease", "2s"]);
 *       …
 *     }, 60_000);
 *
 * instead of `test(…)` and `createE2eWorld(…)`, and it runs twice: `… [sqlite]` on a new file, `… [postgres]` on a new
 * schema of a real server, which the run starts when the first test asks for it (or on the one that DATABASE_URL
 * names). What the daemon has stored is read, without a line of Reseolio, by `openStoredJobs(world.daemon.db)`.
 *
 * A test that takes the server itself down asks for one of its own: `createWorld([], { server: "own" })`, then
 * `world.server.crash()` and `.start()`. A test about a file (its lock, its disk) is a plain `test` on
 * `createE2eWorld()`, with a counterpart for the server where there is one. `RESEOLIO_TEST_STORES=postgres` runs only
 * one half.
 */
import { test } from "bun:test";
import type { E2eWorld } from "./e2e-world.ts";
import { createE2eWorld } from "./e2e-world.ts";
import { testSchema } from "./postgres-database.ts";
import type { PostgresServer } from "./postgres-server.ts";
import { startPostgres } from "./postgres-server.ts";
import type { DaemonOptions } from "./spawn-daemon.ts";
import { tempDir } from "./temp-dir.ts";

export const STORES = ["sqlite", "postgres"] as const;
export type StoreKind = (typeof STORES)[number];

export interface StoreDaemonOptions extends Omit<DaemonOptions, "db" | "args"> {
  /** "own": a PostgreSQL server that belongs to the test, which may crash it. [the run's] */
  readonly server?: "own";
}

/** A database that no daemon has seen yet. */
export interface NewDatabase extends AsyncDisposable {
  /** For `--db`. */
  readonly db: string;
  /** Only when asked for. */
  readonly server: PostgresServer | null;
}

export interface StoreWorld extends E2eWorld {
  /** PostgreSQL's, when an own one was asked for. */
  readonly server: PostgresServer | null;
}

/** What a test gets of the store that it runs on. */
export interface TestStore {
  readonly kind: StoreKind;
  /** @param args further arguments of `serve` */
  createWorld(args?: readonly string[], options?: StoreDaemonOptions): Promise<StoreWorld>;
  createDatabase(options?: Pick<StoreDaemonOptions, "server">): Promise<NewDatabase>;
}

/** Declares the test once for each store. */
export function testOnEachStore(name: string, run: (store: TestStore) => Promise<void>, timeoutMs = 60_000): void {
  const only = process.env["RESEOLIO_TEST_STORES"];
  for (const kind of STORES) {
    if (only === undefined || only === kind) test(`${name} [${kind}]`, () => run(testStore(kind)), timeoutMs);
  }
}

/** For a suite that declares its tests itself. */
export function testStore(kind: StoreKind): TestStore {
  const createDatabase = kind === "sqlite" ? createFile : createServerDatabase;
  return { kind, createDatabase, createWorld: (args, options) => createWorld(createDatabase, args, options) };
}

async function createWorld(
  createDatabase: TestStore["createDatabase"],
  args: readonly string[] = [],
  { server: kindOfServer, ...options }: StoreDaemonOptions = {},
): Promise<StoreWorld> {
  await using starting = new AsyncDisposableStack();
  const database = starting.use(await createDatabase(kindOfServer === undefined ? {} : { server: kindOfServer }));
  const world = starting.use(await createE2eWorld(args, { ...options, db: database.db }));
  const owned = starting.move();
  return { ...world, server: database.server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function createFile(): Promise<NewDatabase> {
  const dir = await tempDir("reseolio-e2e-");
  return { db: dir.file("reseolio.db"), server: null, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

async function createServerDatabase(options: Pick<StoreDaemonOptions, "server"> = {}): Promise<NewDatabase> {
  if (options.server === "own") {
    const server = await startPostgres();
    return { db: server.url("postgres"), server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }
  const database = await testSchema();
  return { db: database.url, server: null, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}
