import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import { migrateDatabase } from "../../src/daemon/database.ts";
import { migrate, type Migration, type MigrationTarget } from "../../src/daemon/storage/migrate.ts";
import { SQLITE_MIGRATIONS } from "../../src/daemon/storage/sqlite/migrations/migrations.ts";
import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { rejection } from "../support/rejection.ts";
import { tempDir } from "../support/temp-dir.ts";
import { startFixture } from "./fixture-process.ts";

const clock = new ManualClock();
const NEWEST = SQLITE_MIGRATIONS.at(-1)!.version;

function schemaOf(path: string): readonly unknown[] {
  using db = new Database(path, { readonly: true });
  return db.query("select type, name, sql from sqlite_schema order by name").values();
}

function versionOf(path: string): unknown {
  using db = new Database(path, { readonly: true });
  return db.query("pragma user_version").values()[0]![0];
}

async function freshFile(path: string): Promise<void> {
  await (await createSqliteStore({ path, clock })).close();
}

test("versions count from 1 without gaps", () => {
  expect(SQLITE_MIGRATIONS.map((one) => one.version)).toEqual(SQLITE_MIGRATIONS.map((_, index) => index + 1));
});

test("P20: a newer file is refused with both versions and what to do, and stays as it is", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await freshFile(path);
  {
    using db = new Database(path);
    db.run("pragma user_version = 999");
    db.run("create table of_the_future (value)");
  }
  const before = await Bun.file(path).bytes();
  for (const open of [() => createSqliteStore({ path, clock }), () => migrateDatabase(path)]) {
    const fault = (await rejection(open())) as DaemonError;
    expect(fault.code).toBe("failed_precondition");
    expect(fault.message).toContain("version 999");
    expect(fault.message).toContain(`up to ${NEWEST}`);
    expect(fault.message).toContain("a newer version of reseolio");
  }
  expect(Buffer.compare(await Bun.file(path).bytes(), before)).toBe(0);
});

test("P20: an empty file becomes the newest schema, and opening again changes nothing", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await Bun.write(path, "");
  await freshFile(path);
  const schema = schemaOf(path);
  expect(versionOf(path)).toBe(NEWEST);
  await freshFile(path);
  expect(schemaOf(path)).toEqual(schema);
});

test("a database of another program is refused and stays as it is", async () => {
  await using directory = await tempDir();
  const path = directory.file("notes.db");
  {
    using db = new Database(path);
    db.run("create table notes (text)");
  }
  const before = await Bun.file(path).bytes();
  const fault = (await rejection(createSqliteStore({ path, clock }))) as DaemonError;
  expect(fault.message).toContain("another program");
  expect(await readdir(directory.path)).toEqual(["notes.db"]);
  expect(Buffer.compare(await Bun.file(path).bytes(), before)).toBe(0);
});

test("P20: kill -9 while the file is made leaves one that opens", async () => {
  await using directory = await tempDir();
  await freshFile(directory.file("fresh.db"));
  const schema = schemaOf(directory.file("fresh.db"));
  for (let round = 0; round < 10; round++) {
    const path = directory.file(`killed-${round}.db`);
    const maker = startFixture("hold-store", path, "");
    expect(await maker.line()).toBe("opening");
    await Bun.sleep(round);
    await maker.kill();
    await freshFile(path);
    expect(schemaOf(path)).toEqual(schema);
  }
}, 60_000);

test("P20: a file whose making was broken off in the middle of its first transaction opens as a new one", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await freshFile(directory.file("fresh.db"));
  await using maker = startFixture("broken-making", path);
  expect([await maker.line(), await maker.line()]).toEqual(["opening", null]);
  await maker.kill();
  // Otherwise there was nothing to roll back.
  expect((await readdir(directory.path)).includes("jobs.db-journal")).toBe(true);
  expect(Bun.file(path).size).toBeGreaterThan(50_000);
  await freshFile(path);
  expect(schemaOf(path)).toEqual(schemaOf(directory.file("fresh.db")));
});

test("P20: kill -9 inside a migration leaves the version before, whole, and the next start ends it", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await freshFile(path);
  const before = schemaOf(path);
  let inside = 0;
  for (const delay of [0, 5, 20, 50, 100, 150, 200, 300]) {
    const migrating = startFixture("slow-migration", path);
    expect(await migrating.line()).toBe("opening");
    await Bun.sleep(delay);
    await migrating.kill();
    if (versionOf(path) !== NEWEST) break;
    inside++;
    expect(schemaOf(path)).toEqual(before);
    await freshFile(path);
  }
  // Otherwise the migration was too quick for this test to prove anything.
  expect(inside).toBeGreaterThanOrEqual(3);

  await using last = startFixture("slow-migration", path);
  expect([await last.line(), await last.line()]).toEqual(["opening", "open"]);
  await last.finish();
  expect(versionOf(path)).toBe(NEWEST + 1);
  expect(JSON.stringify(schemaOf(path))).toContain("added_value");
}, 60_000);

test("a migration that fails leaves the version before it", async () => {
  const applied: number[] = [];
  const target: MigrationTarget = {
    name: "memory",
    readVersion: () => Promise.resolve(1),
    apply: (migration) => {
      if (migration.version === 3) return Promise.reject(new Error("no such column"));
      applied.push(migration.version);
      return Promise.resolve();
    },
  };
  const migrations: readonly Migration[] = [1, 2, 3, 4].map((version) => ({ version, sql: "" }));
  expect(await rejection(migrate(target, migrations))).toHaveProperty("message", "no such column");
  expect(applied).toEqual([2]);
});
