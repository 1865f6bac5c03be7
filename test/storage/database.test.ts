import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdir, stat } from "node:fs/promises";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import {
  backupDatabase,
  type BackupProgress,
  checkDatabase,
  describeDatabase,
  migrateDatabase,
  type SqliteDescription,
} from "../../src/daemon/database.ts";
import { newestVersion } from "../../src/daemon/storage/migrate.ts";
import { SQLITE_MIGRATIONS } from "../../src/daemon/storage/sqlite/migrations/migrations.ts";
import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { rejection } from "../support/rejection.ts";
import { tempDir } from "../support/temp-dir.ts";
import { claim, enqueue, failed, finished, happen, newJobId, read, stored, type StoreWorld } from "./store-world.ts";

interface FileWorld extends StoreWorld {
  readonly path: string;
  file(name: string): string;
}

async function fileWorld(): Promise<FileWorld> {
  const directory = await tempDir();
  const clock = new ManualClock();
  const path = directory.file("jobs.db");
  const store = await createSqliteStore({ path, clock });
  return {
    store,
    clock,
    path,
    file: directory.file,
    async [Symbol.asyncDispose]() {
      await store.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Jobs in every state, with attempts and large args. */
async function fill(world: StoreWorld): Promise<void> {
  await finished(world, { args: "x".repeat(5000) });
  await finished(world, { maxAttempts: 1, functionName: "test:other" }, failed());
  await enqueue(world, {}, {}, { delayMs: 10 });
  const [job] = await claim(world, 1);
  await happen(world, job!, { kind: "lose" });
  await claim(world, 1);
}

test("a sound database has no problems, beside the store that is open on it", async () => {
  await using world = await fileWorld();
  await fill(world);
  expect(await checkDatabase(`sqlite://${world.path}`)).toEqual({
    path: world.path,
    schemaVersion: newestVersion(SQLITE_MIGRATIONS),
    jobs: 5,
    problems: [],
  });
});

const damages: Readonly<Record<string, readonly [string, RegExp]>> = {
  "a counter that is off": [
    "update job_counts set count = count + 1 where state = 3",
    /counter of function test:store:work in state 3 is 2, but the table has 1/,
  ],
  "a counter of nothing": [
    "insert into job_counts values (99, 0, 4)",
    /counter of function 99 in state 0 is 4, but the table has 0/,
  ],
  "a missing counter": ["delete from job_counts where state = 1", /in state 1 is 0, but the table has 1/],
  "an attempt without a job": [
    "insert into attempts values (x'00', 1, 0, null, 0, 0, null)",
    /attempt 1 without a job/,
  ],
  "lost args": ["delete from large_args", /has lost its args/],
  "args without a job": ["insert into large_args values (x'00', x'00')", /large args without a job/],
  "a tick without a job and a schedule": [
    "insert into job_ticks values (x'00', x'01', 5)",
    /tick of 5 without a job: 00\ntick of job 00 without a schedule: 01/,
  ],
  "a checkpoint without a job": [
    "insert into checkpoints (job_id, name, kind, place) values (x'00', 'lost', 0, 0)",
    /checkpoint lost without a job/,
  ],
  "a signal without a job": [
    "insert into signals (id, job_id, place, name, sent_at) values (x'01', x'00', 1, 'lost', 0)",
    /signal lost without a job: 00/,
  ],
  "details of a wait without a job": [
    "insert into wait_details (job_id, name) values (x'00', 'lost')",
    /details of the wait lost without a job: 00/,
  ],
  "a signal that was not given to the wait for it": [
    `insert into checkpoints (job_id, name, kind, place) select id, 'w', 2, 0 from jobs where state = 1;
     insert into wait_details (job_id, name, signal_name, turn) select id, 'w', 'go', 1 from jobs where state = 1;
     insert into signals (id, job_id, place, name, sent_at, payload) select id, id, 1, 'go', 0, x'31' from jobs where state = 1`,
    /waits for the signal go, which has already arrived/,
  ],
  "a parked job that nothing wakes": [
    "update jobs set state = 2, list_state = 2, is_ready = null where state = 1",
    /is parked, but nothing wakes it/,
  ],
  "a record with an operation, but no order": [
    "insert into checkpoints (job_id, name, kind, place, op) values (x'00', 'lost', 0, 0, 7)",
    /checkpoint lost has an operation, but no order: 00/,
  ],
  "a record of an unknown kind": [
    "insert into checkpoints (job_id, name, kind, place, gate) values (x'00', 'lost', 1, 0, 16)",
    /checkpoint lost is of an unknown kind: 00/,
  ],
  "a wait of a job that has ended": [
    "insert into checkpoints (job_id, name, kind, place) select id, 'nap', 1, 0 from jobs where state = 3 limit 1",
    /has ended, but still waits for nap/,
  ],
  "a missing function": ["delete from functions where name = 'test:other'", /unknown function ID/],
  "a job that runs nowhere": ["update jobs set worker_id = null where state = 1", /is running, but has no worker/],
  "an illegal state": [
    "pragma ignore_check_constraints = 1; update jobs set state = 9, list_state = 9 where state = 3",
    /has the unknown state 9/,
  ],
};
for (const [what, [sql, problem]] of Object.entries(damages)) {
  test(`the check finds ${what}`, async () => {
    await using world = await fileWorld();
    await fill(world);
    await world.store.close();
    {
      using db = new Database(world.path);
      db.run(sql);
    }
    const { problems } = await checkDatabase(world.path);
    expect(problems.join("\n")).toMatch(problem);
  });
}

test("deleted and pruned jobs leave nothing behind", async () => {
  await using world = await fileWorld();
  const args = "x".repeat(5000);
  const ids = [await finished(world, { args, maxAttempts: 1 }, failed()), await finished(world, { args })];
  world.clock.advance(10);
  const finishedBefore = world.clock.now();
  await world.store.transact((tx) => tx.jobs.delete([ids[0]!]));
  await world.store.transact((tx) => tx.jobs.prune({ state: "SUCCESS", finishedBefore, limit: 10 }));
  expect(await checkDatabase(world.path)).toMatchObject({ jobs: 0, problems: [] });
});

test("a description has versions, sizes and counts", async () => {
  await using world = await fileWorld();
  await fill(world);
  const description = (await describeDatabase(world.path)) as SqliteDescription;
  expect(description).toMatchObject({
    path: world.path,
    schemaVersion: newestVersion(SQLITE_MIGRATIONS),
    supportedSchemaVersion: newestVersion(SQLITE_MIGRATIONS),
    sqliteVersion: expect.stringMatching(/^3\.\d+\.\d+$/),
    pageBytes: 4096,
    jobs: [
      { functionName: "test:other", state: "DEAD", count: 1 },
      { functionName: "test:store:work", state: "PENDING", count: 2 },
      { functionName: "test:store:work", state: "RUNNING", count: 1 },
      { functionName: "test:store:work", state: "SUCCESS", count: 1 },
    ],
  });
  expect(description.walBytes).toBe((await stat(`${world.path}-wal`)).size);
  expect(description.pages).toBeGreaterThan(10);
});

test("a backup made while jobs are written is whole, private, and opens as a database", async () => {
  await using world = await fileWorld();
  await fill(world);
  const jobId = await stored(world, { args: "y".repeat(9000), idempotencyKey: "kept" });
  const before = await read(world, jobId);
  const phases: string[] = [];
  const progress = (one: BackupProgress): void => {
    phases.push(one.phase);
    expect(one.totalBytes).toBeGreaterThan(0);
  };
  const making = backupDatabase(world.path, world.file("copy.db"), progress);
  await enqueue(world, {}, {});
  const report = await making;
  expect(phases).toEqual(["copying", "verifying"]);
  expect(report).toMatchObject({ path: world.path, destination: world.file("copy.db") });
  // The snapshot is the one before the two jobs, or the one after them.
  expect([6, 8]).toContain(report.jobs);
  expect((await stat(report.destination)).mode & 0o777).toBe(0o600);
  expect((await stat(report.destination)).size).toBe(report.sizeBytes);

  const copy = await createSqliteStore({ path: report.destination, clock: world.clock });
  expect(await copy.jobs.get(jobId)).toEqual(before);
  await copy.close();
});

test("a backup never replaces a file, and a failed one leaves nothing", async () => {
  await using world = await fileWorld();
  await fill(world);
  await Bun.write(world.file("taken.db"), "mine");
  const names = (await readdir(world.file("."))).sort();
  const cases: readonly (readonly [string, string])[] = [
    [world.file("taken.db"), "already_exists"],
    [world.path, "already_exists"],
    [world.file("none/copy.db"), "failed_precondition"],
  ];
  for (const [destination, code] of cases) {
    const fault = (await rejection(backupDatabase(world.path, destination))) as DaemonError;
    expect(fault.code).toBe(code as never);
    expect(fault.message).toContain(destination);
  }
  expect(await Bun.file(world.file("taken.db")).text()).toBe("mine");
  expect((await readdir(world.file("."))).sort()).toEqual(names);
});

test("a backup of a damaged database is thrown away", async () => {
  await using world = await fileWorld();
  await fill(world);
  await world.store.close();
  {
    using db = new Database(world.path);
    db.run("update job_counts set count = 77 where state = 3");
  }
  const fault = (await rejection(backupDatabase(world.path, world.file("copy.db")))) as DaemonError;
  expect(fault.code).toBe("fatal");
  expect(fault.message).toContain("failed verification");
  expect((await readdir(world.file("."))).filter((name) => name.includes("copy"))).toEqual([]);
});

test("migrating needs the file for itself, and says from which version to which", async () => {
  await using world = await fileWorld();
  const fault = (await rejection(migrateDatabase(world.path))) as DaemonError;
  expect(fault.message).toContain(`pid ${process.pid}`);
  await world.store.close();
  expect(await migrateDatabase(world.path)).toEqual({
    path: world.path,
    from: newestVersion(SQLITE_MIGRATIONS),
    to: newestVersion(SQLITE_MIGRATIONS),
  });
});

test("what is not there, not a file or not SQLite is an error that names it", async () => {
  await using world = await fileWorld();
  const missing = world.file(`${newJobId(1)}.db`);
  await Bun.write(world.file("text"), "this is no database at all");
  for (const [path, code, words] of [
    [missing, "not_found", "no such file"],
    [world.file("."), "failed_precondition", "is a directory"],
    [world.file("text"), "failed_precondition", "is not an SQLite database"],
    [":memory:", "invalid_argument", "use the path of a file"],
  ] as const) {
    for (const command of [checkDatabase, describeDatabase, migrateDatabase]) {
      const fault = (await rejection(command(path))) as DaemonError;
      expect([fault.code, fault.message]).toEqual([code, expect.stringContaining(words)]);
    }
  }
  expect(await Bun.file(missing).exists()).toBe(false);
});
