/** What the `db` commands say of a PostgreSQL database. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import {
  backupDatabase,
  checkDatabase,
  describeDatabase,
  migrateDatabase,
  type PostgresDescription,
} from "../../src/daemon/database.ts";
import { newestVersion } from "../../src/daemon/storage/migrate.ts";
import { POSTGRES_MIGRATIONS } from "../../src/daemon/storage/postgres/migrations/migrations.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import { fillMixed } from "../support/mixed-jobs.ts";
import { runSql, type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { rejection } from "../support/rejection.ts";
import { randomFrom } from "../support/seeded-random.ts";

const NEWEST = newestVersion(POSTGRES_MIGRATIONS);

setDefaultTimeout(60_000);

let database: TestDatabase;
let schemas = 0;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

/** A schema with jobs in all states; `run` changes it behind the back of every daemon. */
async function filledSchema() {
  const schema = `commands_${++schemas}`;
  const url = `${database.url}?schema=${schema}`;
  const store = await createPostgresStore({ url });
  await fillMixed(store, Date.now(), 200, randomFrom(7));
  await store.close();
  return { url, run: (sql: string) => runSql(database.url, `set search_path to ${schema}; ${sql}`) };
}

test("migrate makes the schema, and says from which version to which", async () => {
  const url = `${database.url}?schema=made`;
  expect(await migrateDatabase(url)).toMatchObject({
    path: expect.stringContaining("?schema=made"),
    from: 0,
    to: NEWEST,
  });
  expect(await migrateDatabase(url)).toMatchObject({ from: NEWEST, to: NEWEST });
});

test("a sound database has no problems, and a description has versions, sizes and counts", async () => {
  const { url } = await filledSchema();
  expect(await checkDatabase(url)).toMatchObject({ schemaVersion: NEWEST, jobs: 200, problems: [] });
  const description = (await describeDatabase(url)) as PostgresDescription;
  expect(description).toMatchObject({ kind: "postgres", schemaVersion: NEWEST, supportedSchemaVersion: NEWEST });
  expect(description.serverVersion).toMatch(/^\d+/);
  expect(description.jobs.reduce((sum, { count }) => sum + count, 0)).toBe(200);
  expect(description.tables.map(({ table }) => table)).toContain("jobs");
  expect(description.sizeBytes).toBeGreaterThan(100_000);
});

const damages: Readonly<Record<string, readonly [sql: string, problem: RegExp]>> = {
  "a counter that is off": [
    "insert into job_count_deltas select function_id, state, 1 from jobs where state = 3 limit 1",
    /counter of function .* in state 3 is \d+, but the table has \d+/,
  ],
  "a counter of nothing": [
    "insert into job_counts values (99, 0, 4)",
    /counter of function 99 in state 0 is 4, but the table has 0/,
  ],
  "an attempt without a job": [
    "insert into attempts values (gen_random_uuid(), 0, 0, 1, 0)",
    /attempt 1 without a job/,
  ],
  "a tick without a schedule": [
    "insert into job_ticks select id, gen_random_uuid(), null from jobs where id not in (select job_id from job_ticks) limit 1",
    /tick of job .* without a schedule/,
  ],
  "a checkpoint without a job": [
    "insert into checkpoints (job_id, name, kind, place) values (gen_random_uuid(), 'lost', 0, 0)",
    /checkpoint lost without a job/,
  ],
  "a signal without a job": [
    "insert into signals (id, job_id, place, name, sent_at) values (gen_random_uuid(), gen_random_uuid(), 1, 'lost', 0)",
    /signal lost without a job: /,
  ],
  "details of a wait without a job": [
    "insert into wait_details (job_id, name) values (gen_random_uuid(), 'lost')",
    /details of the wait lost without a job: /,
  ],
  "a signal that was not given to the wait for it": [
    "update wait_details set signal_name = 'again', turn = 1 where since_start",
    /waits for the signal again, which has already arrived/,
  ],
  "a missing function": ["delete from functions where name = 'mixed:plain'", /unknown function ID/],
  "a job that runs nowhere": ["update jobs set worker_id = null where state = 1", /is running, but has no worker/],
  "a terminal job without an end": ["update jobs set finished_at = null where state = 3", /has no finish time/],
};
for (const [what, [sql, problem]] of Object.entries(damages)) {
  test(`the check finds ${what}`, async () => {
    const { url, run } = await filledSchema();
    await run(sql);
    expect((await checkDatabase(url)).problems.join("\n")).toMatch(problem);
  });
}

test("a backup is pg_dump's, and its command is named without the password", async () => {
  const url = "postgres://app:s3cret@db.internal:6432/shop?schema=jobs";
  const fault = (await rejection(backupDatabase(url, "it's.dump"))) as DaemonError;
  expect(fault.message).toEndWith(
    `pg_dump --format=custom --schema=jobs '--file=it'\\''s.dump' --host=db.internal --port=6432 --username=app shop`,
  );
  expect(fault.message).not.toContain("s3cret");
});

test("what is not there is an error that says what to give", async () => {
  const nothing = `${database.url}?schema=nothing`;
  expect(((await rejection(checkDatabase(nothing))) as DaemonError).message).toContain(
    "has no reseolio schema named nothing",
  );
  expect(((await describeDatabase(nothing)) as PostgresDescription).schemaVersion).toBe(0);
  for (const command of [checkDatabase, describeDatabase, migrateDatabase]) {
    const fault = (await rejection(command("postgres://u:s3cret@127.0.0.1:9/nowhere"))) as DaemonError;
    expect(fault.code).toBe("unavailable");
    expect(fault.message).toContain("no server answers at this address");
    expect(fault.message).not.toContain("s3cret");
  }
});
