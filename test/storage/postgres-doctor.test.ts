/** What `reseolio doctor` finds in a PostgreSQL database: each fault is made, found, and mended by the statement it names. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import postgres from "postgres";
import { examinePostgres } from "../../src/cli/doctor/examine-postgres.ts";
import { copyDatabase, examineDatabase, type PostgresExamination } from "../../src/daemon/database.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import { fillMixed } from "../support/mixed-jobs.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { rejection } from "../support/rejection.ts";
import { randomFrom } from "../support/seeded-random.ts";
import { startSettingsDropper } from "../support/settings-dropper.ts";
import { tempDir } from "../support/temp-dir.ts";

setDefaultTimeout(60_000);

let server: PostgresServer;
let sql: ReturnType<typeof postgres>;
beforeAll(async () => {
  server = await startPostgres({ settings: ["fsync = on", "full_page_writes = on", "max_prepared_transactions = 2"] });
  sql = postgres(server.url("postgres"), { max: 1, onnotice: () => {} });
}, 120_000);
afterAll(async () => {
  await sql.end();
  await server[Symbol.asyncDispose]();
});

let schemas = 0;

/** A sound schema with some jobs. */
async function sound() {
  const schema = `doctor_${++schemas}`;
  const url = `${server.url("postgres")}?schema=${schema}`;
  const store = await createPostgresStore({ url });
  await fillMixed(store, Date.now(), 50, randomFrom(3));
  await store.close();
  return { schema, url };
}

/** Without the server's speed, which is that of a machine on which other tests run too. */
async function facts(url: string): Promise<PostgresExamination> {
  const examination = (await examineDatabase(url)) as PostgresExamination;
  expect(examination.answerMs).toBeWithin(0.001, 5_000);
  return { ...examination, answerMs: 1 };
}

/** What is wrong, of one kind. */
const wrongs = (examination: PostgresExamination, check?: string) =>
  examinePostgres(examination).filter((finding) => !finding.ok && (check === undefined || finding.check === check));

/** The facts, once they are so: what a server takes over from another session comes in its own time. */
async function factsWhen(url: string, isSo: (examination: PostgresExamination) => boolean) {
  const until = performance.now() + 10_000;
  for (;;) {
    const examination = await facts(url);
    if (isSo(examination) || performance.now() > until) return examination;
    await Bun.sleep(20);
  }
}

/** Runs statements one by one, as a person would paste them. */
async function paste(statements: string): Promise<void> {
  for (const statement of statements.split("; ")) await sql.unsafe(statement);
}

test("no problems found with a sound database, and looking leaves nothing behind", async () => {
  const { url, schema } = await sound();
  const examination = await facts(url);
  expect(wrongs(examination)).toEqual([]);
  expect(examination).toMatchObject({ isPooled: false, isStandby: false, encoding: "UTF8", schema });
  expect(Math.abs(examination.clockOffsetMs)).toBeLessThan(500);
  expect(examination.drift).toEqual({ kind: "compared", differences: [] });
  const rows = await sql`select nspname from pg_namespace where nspname like ${`${schema}_expected%`}`;
  expect(rows.length).toBe(0);
});

describe("a fault is found, and the statement that it names mends it", () => {
  const inSchema: Readonly<Record<string, readonly [check: string, fault: string, message: RegExp]>> = {
    "a missing index": ["drift", "drop index SCHEMA.jobs_claim", /index jobs_claim is missing/],
    "another index of the same name": [
      "drift",
      "drop index SCHEMA.jobs_claim; create index jobs_claim on SCHEMA.jobs (function_id)",
      /index jobs_claim is .*should be/,
    ],
    "a missing unique index": ["drift", "drop index SCHEMA.jobs_idempotency", /jobs_idempotency is missing/],
    "a missing primary key": [
      "drift",
      "alter table SCHEMA.attempts drop constraint attempts_pkey",
      /attempts_pkey is missing/,
    ],
    "a missing column": ["drift", "alter table SCHEMA.workers drop column client", /column workers.client is missing/],
    "a column of another type": [
      "drift",
      "alter table SCHEMA.attempts alter column attempt type bigint",
      /attempts.attempt is bigint not null, but should be integer not null/,
    ],
    "an index that is not valid": [
      "indexes",
      "update pg_index set indisvalid = false where indexrelid = 'SCHEMA.jobs_list'::regclass",
      /jobs_list/,
    ],
    "autovacuum that passes over a table": [
      "vacuum",
      "alter table SCHEMA.jobs set (autovacuum_enabled = false)",
      /autovacuum is off for jobs/,
    ],
  };
  for (const [what, [check, fault, message]] of Object.entries(inSchema)) {
    test(what, async () => {
      const { schema, url } = await sound();
      if (what === "a missing column") await sql.unsafe(`delete from ${schema}.workers`);
      await paste(fault.replaceAll("SCHEMA", schema));
      const found = wrongs(await facts(url), check);
      expect(found.map((one) => one.message).join("\n")).toMatch(message);
      for (const { fix } of found) await paste(fix!);
      expect(wrongs(await facts(url))).toEqual([]);
    });
  }

  test("dead rows that nobody removed", async () => {
    const { schema, url } = await sound();
    await sql.unsafe(`alter table ${schema}.job_counts set (autovacuum_enabled = false)`);
    await sql.unsafe(`insert into ${schema}.job_counts select g, 0, 0 from generate_series(1000, 21000) as g`);
    await sql.unsafe(`delete from ${schema}.job_counts where function_id >= 1000; select pg_stat_force_next_flush()`);
    const found = wrongs(await factsWhen(url, (one) => wrongs(one, "vacuum").length > 0), "vacuum");
    expect(found.map((one) => one.message).join("\n")).toMatch(/job_counts has 2\d{4} dead rows and \d+ live/);
    for (const { fix } of found) await paste(fix!.replace("; its output shows why they cannot be removed", ""));
    expect(wrongs(await factsWhen(url, (one) => wrongs(one).length === 0))).toEqual([]);
  });

  test("a transaction that is open for long, a prepared one, and their ends", async () => {
    const { url } = await sound();
    const other = postgres(server.url("postgres"), {
      max: 1,
      onnotice: () => {},
      connection: { application_name: "left open" },
    });
    await other.unsafe("begin isolation level repeatable read; select txid_current()");
    await sql.unsafe("begin; select txid_current(); prepare transaction 'it''s left'");
    const examination = await facts(url);
    expect(wrongs(examination)).toEqual([]);
    expect(examination.transactions.map(({ kind, name }) => [kind, name]).sort()).toEqual([
      ["prepared", "it's left"],
      ["session", "left open"],
    ]);
    // Nobody waits ten minutes in a test.
    const transactions = examination.transactions.map((one) => ({ ...one, ageMs: 11 * 60_000 }));
    const found = wrongs({ ...examination, transactions });
    expect(found.map((one) => one.message).join("\n")).toMatch(
      /session \d+ of postgres \(left open, idle in transaction\) .* 11m/,
    );
    for (const { fix } of found) await sql.unsafe(fix!);
    expect((await factsWhen(url, (one) => one.transactions.length === 0)).transactions).toEqual([]);
    await other.end({ timeout: 0 });
  });

  test("fsync and full_page_writes that are off; synchronous_commit is ours to set", async () => {
    const { url } = await sound();
    for (const name of ["fsync", "full_page_writes", "synchronous_commit", "autovacuum"]) {
      await paste(`alter system set ${name} = off; select pg_reload_conf()`);
    }
    const ill = await factsWhen(url, ({ settings }) => settings.autovacuum === "off");
    expect(wrongs(ill, "durability").map((one) => one.message)).toEqual([
      expect.stringContaining("fsync is off"),
      expect.stringContaining("full_page_writes is off"),
    ]);
    expect(wrongs(ill, "vacuum").map((one) => one.message)).toEqual([expect.stringContaining("for the whole server")]);
    for (const { fix } of wrongs(ill)) await paste(fix!);
    const well = await factsWhen(url, ({ settings }) => settings.autovacuum === "on");
    expect(wrongs(well)).toEqual([]);
    const durability = examinePostgres(well).find(({ check }) => check === "durability");
    expect(durability?.message).toContain("synchronous_commit is off on this server");
    await paste("alter system reset synchronous_commit; select pg_reload_conf()");
  });

  test("privileges that a user lacks", async () => {
    const { schema, url } = await sound();
    await sql.unsafe(`create role clerk login; grant usage on schema ${schema} to clerk;
      grant select, insert, update, delete on all tables in schema ${schema} to clerk;
      revoke delete on ${schema}.jobs from clerk`);
    const theirs = url.replace("postgres@", "clerk@");
    const [found] = wrongs(await facts(theirs), "privileges");
    expect(found?.message).toContain("clerk lacks: functions_id_seq (usage), jobs (delete)");
    await paste(found!.fix!.replace("as the owner: ", ""));
    const after = await facts(theirs);
    expect(wrongs(after)).toEqual([]);
    expect(after.drift).toEqual({ kind: "not_allowed" });
  });

  test("connections that run out, by the limit of the server or of the role", async () => {
    const { schema, url } = await sound();
    const before = await facts(url);
    expect(before.connectionsLeft).toBeGreaterThan(30);
    await sql.unsafe(`create role few login connection limit 5; grant usage on schema ${schema} to few;
      grant all on all tables in schema ${schema} to few; grant all on all sequences in schema ${schema} to few`);
    const examination = await facts(url.replace("postgres@", "few@"));
    expect(examination.connectionsLeft).toBeLessThan(6);
    expect(wrongs(examination, "connections")[0]?.fix).toContain("alter system set max_connections");
  });

  for (const way of ["drops", "refuses"] as const) {
    test(`a pooler in the way that ${way} settings, through which a copy goes all the same`, async () => {
      const { schema } = await sound();
      await using pooler = await startSettingsDropper(server.port, way);
      const through = (name: string) => `postgres://postgres@${pooler.address}/postgres?schema=${name}`;
      expect(wrongs(await facts(through(schema))).map(({ check }) => check)).toEqual(["pooler"]);
      await sql.unsafe(`update ${schema}.workers set lease_expires_at = 0`);
      const { tables } = await copyDatabase(through(schema), through(`${schema}_copy`));
      expect(tables.find(({ table }) => table === "jobs")?.rows).toBe(50);
    });
  }

  test("a copy that is not finished", async () => {
    const { schema, url } = await sound();
    await using directory = await tempDir();
    const from = directory.file("from.db");
    const { store } = await openStore(from, { clock: { now: Date.now, monotonic: () => performance.now() } });
    await fillMixed(store, Date.now(), 50, randomFrom(4));
    await store.close();
    await sql.unsafe(`drop schema ${schema} cascade`);
    const stop = () => {
      throw new Error("stop");
    };
    await rejection(copyDatabase(from, url, { onProgress: stop }));
    expect(wrongs(await facts(url), "copy")[0]).toMatchObject({ message: expect.stringContaining(from) });
    await copyDatabase(from, url);
    expect(wrongs(await facts(url))).toEqual([]);
  });
});

describe("what this machine cannot be made to have is judged from what a server would say", () => {
  const cases: Readonly<Record<string, readonly [Partial<PostgresExamination>, check: string, fix: string]>> = {
    "an old server": [{ versionNumber: 130_010, serverVersion: "13.10" }, "postgres", "upgrade to PostgreSQL 14"],
    "14.3": [{ versionNumber: 140_003, serverVersion: "14.3" }, "postgres", "14.4"],
    "an encoding": [{ encoding: "LATIN1" }, "postgres", "encoding 'UTF8'"],
    "a standby": [{ isStandby: true }, "role", "primary"],
    "a clock ahead": [{ clockOffsetMs: 3_600_000 }, "server clock", "NTP"],
    "a clock behind": [{ clockOffsetMs: -6_000 }, "server clock", "NTP"],
    "a long way": [{ answerMs: 40 }, "latency", "close to the database"],
    "an older schema": [{ schemaVersion: 1 }, "schema", "reseolio db migrate"],
  };
  let well: PostgresExamination;
  beforeAll(async () => {
    well = await facts((await sound()).url);
  });
  for (const [what, [change, check, fix]] of Object.entries(cases)) {
    test(what, () => {
      const found = wrongs({ ...well, ...change });
      expect(found.map((one) => one.check)).toEqual([check]);
      expect(found[0]!.fix).toContain(fix);
    });
  }
});
