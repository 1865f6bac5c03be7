/** P20: the daemon migrates an older file, refuses a newer one, and a crash inside a migration is harmless. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { openCrashedDatabase } from "../support/crashed-database.ts";
import { createE2eWorld } from "../support/e2e-world.ts";
import { reseolioCommand } from "../support/executable.ts";
import { spawnFixture } from "../support/fixture-process.ts";
import { runCommand } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { MigrationCrash } from "./fixtures/migration-crash.ts";

const SCHEMA = "select type, name, tbl_name, sql from sqlite_schema order by name";

async function schemaOf(db: string): Promise<readonly unknown[]> {
  await using copy = await openCrashedDatabase(db);
  expect(copy.integrity()).toBe("ok");
  // The fixture runs single statements, without the comments between them.
  const objects = copy.rows<{ sql: string | null }>(SCHEMA).map((row) => ({ ...row, sql: plainSql(row.sql) }));
  return [...objects, ...copy.rows("pragma user_version"), ...copy.rows("pragma application_id")];
}

function plainSql(sql: string | null): string | null {
  return sql === null ? null : sql.replaceAll(/--[^\n]*/g, "").replaceAll(/\s+/g, " ");
}

async function freshSchema(): Promise<readonly unknown[]> {
  await using daemon = await spawnDaemon();
  await daemon.stop();
  return await schemaOf(daemon.db);
}

test("P20: a file of schema 0 is migrated at start and serves", async () => {
  await using dir = await tempDir();
  const db = dir.file("old.db");
  using old = new Database(db);
  // A page is written, so that this is a database and not an empty file.
  old.run("pragma journal_mode = delete");
  old.run("pragma user_version = 0");
  old.run("create table passing (value)");
  old.run("drop table passing");
  old.close();
  await using world = await createE2eWorld([], { db });
  await world.startWorker();
  expect(await (await world.enqueue({ label: "works" })).result(10_000)).toMatchObject({ label: "works" });
  await world.daemon.stop();
  expect(await schemaOf(db)).toEqual(await freshSchema());
}, 60_000);

test("P20: a newer file is refused by serve and by db migrate, with both versions named, and is left alone", async () => {
  await using daemon = await spawnDaemon();
  await daemon.stop();
  using newer = new Database(daemon.db);
  const { user_version: version } = newer.query("pragma user_version").get() as { user_version: number };
  newer.run("pragma journal_mode = delete");
  newer.run("pragma user_version = 987");
  newer.close();
  const before = await Bun.file(daemon.db).bytes();
  for (const words of [
    ["serve", "--db", daemon.db, "--addr", "127.0.0.1:0"],
    ["db", "migrate", "--db", daemon.db],
  ]) {
    const { exitCode, stderr } = await runCommand([...reseolioCommand(), ...words]);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1 });
    expect(stderr).toContain("987");
    expect(stderr).toContain(`up to ${version}`);
  }
  expect(Buffer.compare(await Bun.file(daemon.db).bytes(), before)).toBe(0);
}, 60_000);

// With a log as the daemon has it; without, as in the moment in which a file is made.
for (const journalMode of ["wal", "delete"] as const) {
  test(`P20: kill -9 after any statement of a migration is harmless, journal mode ${journalMode}`, async () => {
    const expected = await freshSchema();
    await using dir = await tempDir();
    for (let statements = 0; ; statements += 2) {
      const db = dir.file(`after-${statements}.db`);
      const settings: MigrationCrash = { db, statements, journalMode };
      await using migration = spawnFixture("migration-crash", { settings });
      const { signal, exitCode } = await migration.exited();
      if (exitCode === 0) {
        // The migration has fewer statements than this: the test has covered every point.
        expect(statements).toBeGreaterThan(5);
        return;
      }
      expect({ signal, stderr: migration.stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
      await using daemon = await spawnDaemon({ db });
      await daemon.stop();
      expect(await schemaOf(db)).toEqual(expected);
    }
  }, 120_000);
}

test("P20: kill -9 while the daemon makes its file leaves one that the next start can use", async () => {
  const random = seededRandom("P20");
  const expected = await freshSchema();
  await using dir = await tempDir();
  let unfinished = 0;
  for (let round = 0; round < 12; round++) {
    const db = dir.file(`round-${round}.db`);
    await killWhileMaking(db, random.between(0, 12));
    if (!(await isMigrated(db))) unfinished++;
    await using daemon = await spawnDaemon({ db });
    await daemon.stop();
    expect(await schemaOf(db)).toEqual(expected);
  }
  process.stderr.write(`P20: ${unfinished} of 12 kills came before the schema was there\n`);
  expect(unfinished).toBeGreaterThan(0);
}, 120_000);

/** Starts a daemon on a new file and kills it `afterMs` after the file has appeared. */
async function killWhileMaking(db: string, afterMs: number): Promise<void> {
  const [file = "", ...leading] = reseolioCommand();
  const child = Bun.spawn([file, ...leading, "serve", "--db", db, "--addr", "127.0.0.1:0"], { stderr: "ignore" });
  const deadline = performance.now() + 10_000;
  while (!existsSync(db) && performance.now() < deadline) await new Promise(setImmediate);
  await Bun.sleep(afterMs);
  child.kill("SIGKILL");
  await child.exited;
}

async function isMigrated(db: string): Promise<boolean> {
  await using copy = await openCrashedDatabase(db);
  return copy.rows<{ user_version: number }>("pragma user_version")[0]?.user_version !== 0;
}
