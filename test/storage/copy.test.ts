/** `db copy`: what a store holds arrives in another one of either kind, equal, and work goes on there where it was. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import postgres from "postgres";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import { type Job, JOB_STATES } from "../../src/daemon/core/job.ts";
import { checkDatabase, copyDatabase, describeDatabase } from "../../src/daemon/database.ts";
import { COPY_TABLES } from "../../src/daemon/storage/copy/copy-tables.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { fillMixed, MIXED_FUNCTIONS, MIXED_WORKERS } from "../support/mixed-jobs.ts";
import { runSql, type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { rejection } from "../support/rejection.ts";
import { randomFrom, seededRandom } from "../support/seeded-random.ts";
import { tempDir } from "../support/temp-dir.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };
const JOBS = 2_000;
const PATIENCE_MS = 60_000;

setDefaultTimeout(60_000);

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

let schemas = 0;

/** Addresses of databases that are not there yet. */
async function places() {
  const directory = await tempDir();
  return {
    file: (name: string) => `sqlite://${directory.file(name)}`,
    schema: () => `${database.url}?schema=copy_${++schemas}`,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function onStore<T>(url: string, work: (store: Store) => Promise<T>): Promise<T> {
  const { store } = await openStore(url, { clock: CLOCK });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** @param jobs by id order */
async function everything(url: string) {
  return onStore(url, async (store) => {
    const jobs: Job[] = [];
    for (let before: string | null = null; ;) {
      const page = await store.jobs.list({ filter: {}, limit: 500, before });
      const whole = await store.jobs.getMany(page.jobs.map((job) => job.jobId));
      jobs.push(...whole.toSorted((left, right) => (left.jobId < right.jobId ? 1 : -1)));
      if (page.next === null) break;
      before = page.next;
    }
    const attempts = await Promise.all(jobs.map((job) => store.jobs.listAttempts(job.jobId, 1_000)));
    const workers = (await store.workers.list()).toSorted((left, right) => (left.workerId < right.workerId ? -1 : 1));
    const counts = (await store.jobs.count()).map(
      ({ functionName, state, count }) => `${functionName} ${state} ${count}`,
    );
    const states = ["ACTIVE", "PAUSED", "DELETED"] as const;
    const schedules = await store.schedules.list({ states, functionName: null, limit: 1_000, after: null });
    // A list leaves args out.
    const names = schedules.schedules.map(({ schedule }) => schedule.name);
    const whole = await Promise.all(names.map((name) => store.schedules.get(name)));
    const ticks = Object.fromEntries(await store.schedules.listTicks(jobs.map((job) => job.jobId)));
    const recorded = await Promise.all(
      jobs.map(async ({ jobId }) => [
        await store.workflows.listRecords(jobId, 100),
        await store.workflows.listWaits(jobId),
      ]),
    );
    return { jobs, attempts, workers, counts: counts.sort(), schedules, whole, ticks, recorded };
  });
}

async function filled(url: string, count = JOBS): Promise<void> {
  await onStore(url, (store) => fillMixed(store, Date.now(), count, seededRandom("mixed jobs")));
}

/** Leases of workers, which are part of a copy, must have run out where a copy is to be copied again. */
async function endLeases(url: string): Promise<void> {
  await runSql(database.url, `update ${nameOf(url)}.workers set lease_expires_at = 0`);
}

/** Of the schema. */
function nameOf(url: string): string {
  return new URL(url).searchParams.get("schema") ?? "";
}

describe("what is copied", () => {
  /** What a copy leaves out: counted anew, about the daemons that were there, or about the database itself. */
  const left = new Set(["job_counts", "job_count_deltas", "leader", "listeners", "meta"]);
  const copied = COPY_TABLES.flatMap(({ name, columns }) => Object.keys(columns).map((column) => `${name}.${column}`));

  test("is every column of every table of SQLite", async () => {
    await using place = await places();
    await onStore(place.file("schema.db"), async () => {});
    using db = new Database(place.file("schema.db").slice("sqlite://".length));
    const rows = db
      .query(
        "select t.name || '.' || c.name from sqlite_schema as t, pragma_table_info(t.name) as c where t.type = 'table'",
      )
      .values();
    const stored = rows.map(([text]) => String(text)).filter((text) => !left.has(text.split(".")[0]!));
    // Large args are args.
    const own = stored.filter((text) => !text.startsWith("large_args."));
    expect(own.sort()).toEqual(copied.filter((text) => !text.startsWith("meta.")).sort());
  });

  test("is every column of every table of PostgreSQL", async () => {
    await onStore(`${database.url}?schema=whole`, async () => {});
    const sql = postgres(database.url, { max: 1 });
    const rows = await sql`select table_name || '.' || column_name as text from information_schema.columns
      join information_schema.tables using (table_schema, table_name)
      where table_schema = 'whole' and table_type = 'BASE TABLE'`;
    await sql.end();
    const stored = rows.map(({ text }) => String(text)).filter((text) => !left.has(text.split(".")[0]!));
    expect(stored.sort()).toEqual(copied.filter((text) => !text.startsWith("meta.")).sort());
  });
});

describe("a copy", () => {
  test(
    "SQLite → PostgreSQL → SQLite is equal in every job, attempt, schedule, worker and count",
    async () => {
      await using place = await places();
      const [from, middle, to] = [place.file("from.db"), place.schema(), place.file("to.db")];
      await filled(from);
      const before = await everything(from);
      expect(new Set(before.jobs.map((job) => job.state))).toEqual(new Set(JOB_STATES));
      const there = await copyDatabase(from, middle);
      expect(there.tables.find(({ table }) => table === "jobs")?.rows).toBe(JOBS);
      for (const { table, rows } of there.tables) expect([table, table === "meta" || rows > 0]).toEqual([table, true]);
      expect(await everything(middle)).toEqual(before);
      expect((await checkDatabase(middle)).problems).toEqual([]);

      const untouched = await everything(middle);
      await endLeases(middle);
      const back = await copyDatabase(middle, to);
      const after = await everything(to);
      expect({ ...after, workers: [] }).toEqual({ ...untouched, workers: [] });
      expect((await checkDatabase(to)).problems).toEqual([]);
      const jobs = ({ tables }: typeof back) => tables.filter(({ table }) => table !== "workers");
      expect(jobs(back)).toEqual(jobs(there));
    },
    PATIENCE_MS,
  );

  test(
    "PostgreSQL → PostgreSQL and SQLite → SQLite are equal too",
    async () => {
      await using place = await places();
      for (const make of [() => place.schema(), () => place.file(`${++schemas}.db`)]) {
        const [from, to] = [make(), make()];
        await filled(from, 300);
        const before = await everything(from);
        if (from.startsWith("postgres")) await endLeases(from);
        await copyDatabase(from, to);
        const after = await everything(to);
        expect({ ...after, workers: [] }).toEqual({ ...before, workers: [] });
      }
    },
    PATIENCE_MS,
  );

  test(
    "work goes on: leases hold, keys still dedup, pending jobs are claimed in the same order, new functions fit in",
    async () => {
      await using place = await places();
      const [from, to] = [place.file("from.db"), place.schema()];
      await filled(from, 500);
      const before = await everything(from);
      await copyDatabase(from, to);
      const claims = (url: string) =>
        onStore(url, (store) =>
          store.transact(async (tx) => {
            const [claimed] = await tx.jobs.claim([{ workerId: "w", functionNames: MIXED_FUNCTIONS, limit: 40 }]);
            return claimed!.jobs.map((job) => [job.jobId, job.attempt, job.leaseToken]);
          }),
        );
      const claimed = await claims(to);
      expect(claimed.length).toBe(40);
      expect(claimed).toEqual(await claims(from));
      await onStore(to, async (store) => {
        const running = before.jobs.find((job) => job.state === "RUNNING")!;
        const keyed = before.jobs.find((job) => job.idempotencyKey !== null && job.state === "SUCCESS")!;
        const held = await store.transact((tx) => tx.jobs.listLeased(running.workerId!));
        expect(held.map((job) => job.leaseToken)).toContain(running.leaseToken);
        expect(MIXED_WORKERS).toContain(running.workerId as never);
        const options = { ...keyed, delayMs: null, runAt: null, startWithinMs: null, finishWithinMs: null };
        const item = {
          args: keyed.args,
          parentId: null,
          options: { ...options, onDuplicate: "return_existing" as const },
        };
        const [again, fresh] = await store.transact((tx) =>
          tx.jobs.enqueue([
            { ...item, jobId: "0192f0c1-2345-7000-8000-0000000000f1", functionName: keyed.functionName },
            { ...item, jobId: "0192f0c1-2345-7000-8000-0000000000f2", functionName: "a:new:function" },
          ] as never),
        );
        expect(again).toMatchObject({ kind: "deduplicated", jobId: keyed.jobId, state: "SUCCESS", argsDiffer: false });
        expect(fresh).toMatchObject({ kind: "stored" });
      });
    },
    PATIENCE_MS,
  );

  test(
    "payloads of a megabyte go over in pages that fit into memory",
    async () => {
      await using place = await places();
      const [from, middle, to] = [place.file("from.db"), place.schema(), place.file("to.db")];
      await filled(from, 10);
      {
        using db = new Database(from.slice("sqlite://".length));
        db.run("update jobs set result = randomblob(1048576)");
        db.run("insert or ignore into large_args select id, randomblob(1048576) from jobs");
        db.run("update jobs set args = null");
      }
      await copyDatabase(from, middle);
      await endLeases(middle);
      await copyDatabase(middle, to);
      expect((await everything(to)).jobs).toEqual((await everything(from)).jobs);
    },
    PATIENCE_MS,
  );

  test("of an empty database is an empty database", async () => {
    await using place = await places();
    await onStore(place.file("from.db"), async () => {});
    const report = await copyDatabase(place.file("from.db"), place.file("to.db"));
    expect(report.tables.map(({ rows }) => rows)).toEqual(report.tables.map(() => 0));
    await onStore(place.file("to.db"), async () => {});
  });
});

describe("a copy that was broken off", () => {
  for (const kind of ["SQLite", "PostgreSQL"]) {
    test(
      `into ${kind} is opened by no daemon, and goes on where it was`,
      async () => {
        await using place = await places();
        const [from, to] = [place.file("from.db"), kind === "SQLite" ? place.file("to.db") : place.schema()];
        await filled(from, 5_000);
        const seen: number[] = [];
        const stopAt = (done: number) => {
          seen.push(done);
          if (done >= 4_000) throw new Error("stop");
        };
        await rejection(copyDatabase(from, to, { onProgress: ({ done }) => stopAt(done) }));
        const refused = (await rejection(openStore(to, { clock: CLOCK }))) as DaemonError;
        expect(refused.message).toContain("unfinished copy of");
        // Not damage: what is there does not agree yet.
        expect(((await rejection(checkDatabase(to))) as Error).message).toContain("unfinished copy of");
        const other = place.file("other.db");
        await filled(other, 10);
        expect(((await rejection(copyDatabase(other, to))) as Error).message).toContain("not of");
        const later: number[] = [];
        const report = await copyDatabase(from, to, {
          onProgress: ({ phase, done }) => void (phase === "copying" && later.push(done)),
        });
        expect(report.resumed).toBe(true);
        expect(later[0]).toBeGreaterThan(seen.at(-1)!);
        expect((await everything(to)).jobs).toEqual((await everything(from)).jobs);
      },
      PATIENCE_MS,
    );

    test(
      `into ${kind}, and whose source was changed meanwhile, is found out and begun again`,
      async () => {
        await using place = await places();
        const [from, to] = [place.file("from.db"), kind === "SQLite" ? place.file("to.db") : place.schema()];
        await filled(from, 3_000);
        const stop = () => {
          throw new Error("stop");
        };
        await rejection(copyDatabase(from, to, { onProgress: ({ done }) => done > 2_000 && stop() }));
        {
          using db = new Database(from.slice("sqlite://".length));
          db.run("update jobs set priority = 2 where id = (select min(id) from jobs where priority = 1)");
        }
        const fault = (await rejection(copyDatabase(from, to))) as DaemonError;
        expect(fault.message).toContain("--start-over");
        expect(fault.message).toContain("table jobs");
        const report = await copyDatabase(from, to, { startOver: true });
        expect(report.resumed).toBe(false);
        expect((await everything(to)).jobs).toEqual((await everything(from)).jobs);
      },
      PATIENCE_MS,
    );
  }
});

test("two copies at once into one database store nothing twice, and what one says holds", async () => {
  await using place = await places();
  const [from, to] = [place.schema(), place.schema()];
  await filled(from, 3_000);
  await endLeases(from);
  const runs = await Promise.allSettled([copyDatabase(from, to), copyDatabase(from, to)]);
  const faults = runs.flatMap((run) => (run.status === "rejected" ? [String(run.reason)] : []));
  for (const fault of faults) expect(fault).toContain("another copy is writing to");
  await copyDatabase(from, to);
  expect((await checkDatabase(to)).problems).toEqual([]);
  expect((await everything(to)).jobs).toEqual((await everything(from)).jobs);
}, 60_000);

test("a copy that was killed when all was done is found equal, until something works on it", async () => {
  await using place = await places();
  const [from, to] = [place.file("from.db"), place.schema()];
  await filled(from, 100);
  const first = await copyDatabase(from, to);
  expect(await copyDatabase(from, to)).toEqual({ ...first, resumed: true });
  await runSql(database.url, `update copy_${schemas}.jobs set priority = 1 - priority`);
  expect(((await rejection(copyDatabase(from, to))) as Error).message).toContain("differs from the source");
});

describe("a copy is refused", () => {
  const refusal = async (from: string, to: string) =>
    ((await rejection(copyDatabase(from, to))) as DaemonError).message;

  test("from and to a file that a daemon serves", async () => {
    await using place = await places();
    await filled(place.file("used.db"), 1);
    await onStore(place.file("used.db"), async () => {
      expect(await refusal(place.file("used.db"), place.file("to.db"))).toContain("is in use by another reseolio");
      expect(existsSync(place.file("to.db").slice("sqlite://".length))).toBe(false);
    });
    await onStore(place.file("to.db"), async () => {
      expect(await refusal(place.file("used.db"), place.file("to.db"))).toContain("is in use by another reseolio");
    });
  });

  test("from and to a schema that a daemon listens on, or whose workers have leases", async () => {
    await using place = await places();
    const [used, to] = [place.schema(), place.schema()];
    await onStore(used, async (store) => {
      const listener = await store.cluster.listen(() => {});
      expect(await refusal(used, to)).toContain("1 daemon is working on it");
      await filled(place.file("from.db"), 1);
      expect(await refusal(place.file("from.db"), used)).toContain("1 daemon is working on it");
      await listener.stop();
      await runSql(database.url, `insert into ${nameOf(used)}.leader values (true, 'a node', 1, 9e12)`);
      expect(await refusal(used, to)).toContain("1 daemon is working on it");
      await runSql(database.url, `delete from ${nameOf(used)}.leader`);
      await fillMixed(store, Date.now(), 1, randomFrom(1));
    });
    expect(await refusal(used, to)).toMatch(/2 workers hold leases for up to \d+ s more/);
    await endLeases(used);
    expect(await rejection(copyDatabase(used, to).then(() => Promise.reject(new Error("copied"))))).toMatchObject({
      message: "copied",
    });
  });

  test("into a database with jobs, which stay as they are", async () => {
    await using place = await places();
    await filled(place.file("from.db"), 5);
    for (const to of [place.file("full.db"), place.schema()]) {
      await filled(to, 7);
      expect(await refusal(place.file("from.db"), to)).toContain("is not empty");
      // Without a marker there is nothing to throw away.
      const fault = (await rejection(copyDatabase(place.file("from.db"), to, { startOver: true }))) as Error;
      expect(fault.message).toContain("is not empty");
      expect((await describeDatabase(to)).jobs.reduce((sum, { count }) => sum + count, 0)).toBe(7);
    }
  });

  test("of what is not there, of one's own place, and of an older schema", async () => {
    await using place = await places();
    expect(await refusal(place.file("none.db"), place.file("to.db"))).toContain("no such file");
    expect(await refusal(`${database.url}?schema=nothing_here`, place.file("to.db"))).toContain(
      "no reseolio schema named nothing_here",
    );
    expect(await refusal(place.file("a.db"), place.file("a.db"))).toContain("are the same database");
    expect(await refusal(":memory:", place.file("to.db"))).toContain("use the path of a file");
    await filled(place.file("old.db"), 1);
    {
      using db = new Database(place.file("old.db").slice("sqlite://".length));
      db.run("pragma user_version = 1");
    }
    expect(await refusal(place.file("old.db"), place.file("to.db"))).toContain("run reseolio db migrate first");
    expect(existsSync(place.file("to.db").slice("sqlite://".length))).toBe(false);
  });
});
