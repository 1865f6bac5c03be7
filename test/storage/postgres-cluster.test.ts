/** Several daemons on one database: what one store of the suite cannot show. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { decide } from "../../src/daemon/core/job-machine.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { StoreHint } from "../../src/daemon/storage/seam/cluster.ts";
import type { EnqueueOutcome, NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { runSql, type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { randomFrom } from "../support/seeded-random.ts";
import { FUNCTION, type JobInput, newJob, type StoreWorld, succeeded } from "./store-world.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

let schemas = 0;

async function cluster(daemons: number) {
  const schema = `cluster_${++schemas}`;
  const url = `${database.url}?schema=${schema}`;
  const stores = await Promise.all(Array.from({ length: daemons }, () => createPostgresStore({ url, readers: 2 })));
  return {
    schema,
    stores,
    async [Symbol.asyncDispose]() {
      await Promise.all(stores.map((store) => store.close()));
    },
  };
}

const now = { clock: new ManualClock(Date.now()) } as StoreWorld;
const jobs = (count: number, input: JobInput = {}): readonly NewJob[] =>
  Array.from({ length: count }, () => newJob(now, input));
const enqueue = (store: Store, items: readonly NewJob[]): Promise<readonly EnqueueOutcome[]> =>
  store.transact((tx) => tx.jobs.enqueue(items), { readsTimeLate: true });

async function claim(store: Store, workerId: string, functionNames: readonly string[], limit: number) {
  const [claimed] = await store.transact((tx) => tx.jobs.claim([{ workerId, functionNames, limit }]));
  return claimed!.jobs;
}

describe("claims", () => {
  for (const functionNames of [[FUNCTION], [FUNCTION, "test:other", "test:third"]]) {
    test(`P4: four daemons that claim ${functionNames.length} functions at once lease each job to one of them`, async () => {
      await using it = await cluster(4);
      const stored = functionNames.flatMap((functionName) => jobs(900 / functionNames.length, { functionName }));
      await enqueue(it.stores[0]!, stored);
      const leases: Job[] = [];
      const claimAll = async (store: Store, place: number) => {
        for (let isEmpty = 0; isEmpty < 3;) {
          const claimed = await claim(store, `worker-${place}`, functionNames, 7);
          isEmpty = claimed.length === 0 ? isEmpty + 1 : 0;
          leases.push(...claimed);
        }
      };
      await Promise.all(it.stores.map(claimAll));
      expect(leases).toHaveLength(900);
      expect(new Set(leases.map((job) => job.jobId)).size).toBe(900);
      expect(leases.every((job) => job.leaseToken === 1 && job.attempt === 1)).toBe(true);
      expect(new Set(leases.map((job) => job.workerId)).size).toBe(4);
      for (const { jobId, workerId } of leases.slice(0, 20)) {
        expect((await it.stores[0]!.jobs.get(jobId))?.workerId).toBe(workerId);
      }
    });
  }

  test("a daemon that holds jobs in an open transaction stands in nobody's way, and takes none that it does not lease", async () => {
    await using it = await cluster(2);
    const [slow, quick] = pair(it.stores);
    const names = [FUNCTION, "test:other"];
    await enqueue(slow, [...jobs(20), ...jobs(20, { functionName: "test:other" })]);
    await slow.transact(async (tx) => {
      const [claimed] = await tx.jobs.claim([{ workerId: "slow", functionNames: names, limit: 10 }]);
      expect(claimed!.jobs).toHaveLength(10);
      expect(await claim(quick, "quick", names, 40)).toHaveLength(30);
    });
  });
});

describe("keys", () => {
  test("P3: 100 callers with 50 keys over three daemons: one job a key, told as new once", async () => {
    await using it = await cluster(3);
    const random = randomFrom(7);
    const calls = Array.from({ length: 100 }, (_, caller) => {
      const keys = random.shuffled(Array.from({ length: 50 }, (_, key) => `key-${key}`));
      return enqueue(
        it.stores[caller % 3]!,
        keys.map((idempotencyKey) => newJob(now, { idempotencyKey })),
      );
    });
    const outcomes = (await Promise.all(calls)).flat();
    expect(outcomes.filter((outcome) => outcome.kind === "stored")).toHaveLength(50);
    expect(outcomes.filter((outcome) => outcome.kind === "deduplicated")).toHaveLength(4950);
    expect(await it.stores[0]!.jobs.count()).toEqual([{ functionName: FUNCTION, state: "PENDING", count: 50 }]);
  }, 60_000);

  test("P3: daemons that replace the same finished jobs at once make one new job a key", async () => {
    await using it = await cluster(3);
    const replace = { onDuplicate: "replace_finished" } as const;
    const keys = Array.from({ length: 20 }, (_, key) => `key-${key}`);
    await enqueue(
      it.stores[0]!,
      keys.map((idempotencyKey) => newJob(now, { idempotencyKey })),
    );
    await finishAll(it.stores[0]!, await claim(it.stores[0]!, "w", [FUNCTION], 20));
    const calls = Array.from({ length: 30 }, (_, caller) => {
      const order = caller % 2 === 0 ? keys : keys.toReversed();
      return enqueue(
        it.stores[caller % 3]!,
        order.map((idempotencyKey) => newJob(now, { idempotencyKey, ...replace })),
      );
    });
    const outcomes = (await Promise.all(calls)).flat();
    expect(outcomes.filter((outcome) => outcome.kind === "stored")).toHaveLength(20);
    const counts = await it.stores[0]!.jobs.count();
    expect(counts.toSorted((left, right) => left.state.localeCompare(right.state))).toMatchObject([
      { state: "PENDING", count: 20 },
      { state: "SUCCESS", count: 20 },
    ]);
  }, 60_000);
});

const finishAll = (store: Store, leased: readonly Job[]) => {
  const transitions = leased.map((job) => decide(job, succeeded(), { maxLosses: 10 }, 0.5)!);
  return store.transact((tx) => tx.jobs.applyTransitions(transitions), { readsTimeLate: true });
};

describe("guarded writes", () => {
  test("P4: daemons that settle the same jobs in opposite orders: each job once, and nobody is a deadlock's victim", async () => {
    await using it = await cluster(3);
    for (let round = 0; round < 5; round++) {
      await enqueue(it.stores[0]!, jobs(200));
      const leased = await claim(it.stores[0]!, "w", [FUNCTION], 200);
      const orders = [leased, leased.toReversed(), randomFrom(round).shuffled(leased)];
      const answers = await Promise.all(it.stores.map((store, place) => finishAll(store, orders[place]!)));
      expect(answers.flat().filter((applied) => applied)).toHaveLength(200);
    }
  }, 60_000);

  test("counters are the sum of what all daemons did, before, during and after they are folded", async () => {
    await using it = await cluster(3);
    const work = it.stores.map(async (store, place) => {
      for (let round = 0; round < 10; round++) {
        await enqueue(store, jobs(10));
        await finishAll(store, await claim(store, `w-${place}`, [FUNCTION], 5));
      }
    });
    const sums: number[] = [];
    const folding = (async () => {
      for (let round = 0; round < 20; round++) {
        await Promise.all(it.stores.map((store) => store.jobs.foldCounters()));
        const counts = await it.stores[1]!.jobs.count();
        expect(counts.every(({ count }) => count > 0)).toBe(true);
        sums.push(counts.reduce((sum, { count }) => sum + count, 0));
      }
    })();
    await Promise.all([...work, folding]);
    expect(sums).toEqual(sums.toSorted((left, right) => left - right));
    const expected = { PENDING: 150, SUCCESS: 150 };
    expect(totals(await it.stores[2]!.jobs.count())).toEqual(expected);
    await it.stores[0]!.jobs.foldCounters();
    expect(totals(await it.stores[2]!.jobs.count())).toEqual(expected);
    expect(await it.stores[0]!.jobs.foldCounters()).toBe(0);
  }, 60_000);
});

function totals(counts: readonly { readonly state: string; readonly count: number }[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ state, count }) => [state, count]));
}

function pair(stores: readonly Store[]): readonly [Store, Store] {
  return [stores[0]!, stores[1]!];
}

describe("hints", () => {
  /** What a store was told; `next` waits for a hint that fits. */
  async function listening(store: Store) {
    const heard: StoreHint[] = [];
    let tell = () => {};
    const listener = await store.cluster.listen((hint) => {
      heard.push(hint);
      tell();
    });
    return {
      heard,
      listener,
      async next(fits: (hint: StoreHint) => boolean): Promise<StoreHint> {
        const until = performance.now() + 10_000;
        for (;;) {
          const found = heard.find(fits);
          if (found !== undefined) return found;
          if (performance.now() > until) throw new Error(`no such hint; heard ${JSON.stringify(heard)}`);
          await Promise.race([new Promise<void>((resolve) => (tell = resolve)), Bun.sleep(100)]);
        }
      },
    };
  }

  const names = (hint: StoreHint, name: string) => hint.functionNames !== "any" && hint.functionNames.includes(name);
  const ids = (hint: StoreHint, jobId: string) => hint.jobIds !== "any" && hint.jobIds.includes(jobId);

  test("a daemon hears of functions with new jobs, and of jobs that ended or were taken, from others and not from itself", async () => {
    await using it = await cluster(2);
    const [here, there] = pair(it.stores);
    const ears = await listening(here);
    expect(await ears.next((hint) => hint.jobIds === "any")).toEqual({
      functionNames: "any",
      jobIds: "any",
      workerIds: "any",
      isGap: true,
    });
    await enqueue(here, jobs(1, { functionName: "test:own" }));
    await enqueue(there, jobs(2));
    await ears.next((hint) => names(hint, FUNCTION));
    const [done, taken] = await claim(there, "w", [FUNCTION], 2);
    await finishAll(there, [done!]);
    await ears.next((hint) => ids(hint, done!.jobId));
    const lose = decide(taken!, { kind: "lose" }, { maxLosses: 10 }, 0)!;
    await there.transact((tx) => tx.jobs.applyTransitions([lose]));
    const hint = await ears.next((one) => ids(one, taken!.jobId));
    expect(names(hint, FUNCTION)).toBe(true);
    expect(ears.heard.filter((one) => names(one, "test:own"))).toEqual([]);
    await ears.listener.stop();
  });

  test("what does not fit into one hint is any", async () => {
    await using it = await cluster(2);
    const [here, there] = pair(it.stores);
    const ears = await listening(here);
    const long = Array.from({ length: 40 }, (_, place) => `test:${"x".repeat(240)}:${place}`);
    await enqueue(there, [...jobs(300), ...long.flatMap((functionName) => jobs(1, { functionName }))]);
    ears.heard.length = 0;
    await finishAll(there, await claim(there, "w", [FUNCTION], 300));
    expect(await ears.next((hint) => hint.jobIds === "any")).toEqual({
      functionNames: [],
      jobIds: "any",
      workerIds: [],
    });
    ears.heard.length = 0;
    await enqueue(
      there,
      long.flatMap((functionName) => jobs(1, { functionName })),
    );
    expect(await ears.next((hint) => hint.functionNames === "any")).toEqual({
      functionNames: "any",
      jobIds: [],
      workerIds: [],
    });
    await ears.listener.stop();
  });

  test("a lost connection is made anew, what was missed meanwhile is any, and hints come again", async () => {
    await using it = await cluster(2);
    const [here, there] = pair(it.stores);
    const ears = await listening(here);
    ears.heard.length = 0;
    await runSql(
      database.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen ${it.schema}%'`,
    );
    await ears.next((hint) => hint.jobIds === "any");
    await enqueue(there, jobs(1));
    await ears.next((hint) => names(hint, FUNCTION));
    await ears.listener.stop();
  });

  test("without another daemon that listens no commit notifies", async () => {
    await using it = await cluster(1);
    const alone = it.stores[0]!;
    const heard: string[] = [];
    const sql = postgres(database.url, { max: 1 });
    const raw = await sql.listen(`${it.schema}_hints`, (payload) => heard.push(payload));
    const ears = await listening(alone);
    await enqueue(alone, jobs(1));
    const other = await createPostgresStore({ url: `${database.url}?schema=${it.schema}` });
    const others = await listening(other);
    await enqueue(alone, jobs(1, { functionName: "test:heard" }));
    await others.next((hint) => names(hint, "test:heard"));
    // The notification arrives asynchronously.
    while (!heard.some((payload) => payload.includes("test:heard"))) await Bun.sleep(5);
    expect(heard).toHaveLength(1);
    await others.listener.stop();
    await ears.listener.stop();
    await other.close();
    await raw.unlisten();
    await sql.end();
  });
});

describe("query plans", () => {
  test("no verb reads the jobs from end to end, whatever the planner has not heard of yet", async () => {
    const schema = `cluster_${++schemas}`;
    const url = `${database.url}?schema=${schema}`;
    // Prepared while everything is empty, when an index looks dear.
    const store = await createPostgresStore({ url, readers: 1 });
    await runSql(database.url, `alter table ${schema}.jobs set (autovacuum_enabled = false)`);
    for (let round = 0; round < 3; round++) {
      await everyVerb(store);
      await enqueue(store, jobs(1000, { functionName: `test:bulk:${round}` }));
      await finishAll(store, await claim(store, "w", [`test:bulk:${round}`], 500));
    }
    await store.close();
    // A backend tells its statistics at the latest when it ends.
    const sql = postgres(database.url, { max: 1 });
    await untilQuiet(sql);
    const [table] = await sql`select seq_scan::int, seq_tup_read::int, idx_scan::int from pg_stat_user_tables
      where schemaname = ${schema} and relname = 'jobs'`;
    await sql.end();
    expect(table!["idx_scan"]).toBeGreaterThan(50);
    expect(table!["seq_tup_read"]).toBe(0);
  });

  test("a claim for several functions reads few ready jobs, also where the planner has seen ended ones only", async () => {
    const schema = `cluster_${++schemas}`;
    const url = `${database.url}?schema=${schema}`;
    const first = await createPostgresStore({ url, readers: 1 });
    await enqueue(first, jobs(3000));
    await finishAll(first, await claim(first, "w", [FUNCTION], 3000));
    await first.close();
    const sql = postgres(database.url, { max: 1 });
    await untilQuiet(sql);
    await sql.unsafe(`alter table ${schema}.jobs set (autovacuum_enabled = false)`);
    await sql.unsafe(`vacuum analyze ${schema}.jobs`);
    await sql`select pg_stat_reset_single_table_counters(${`${schema}.jobs_claim`}::regclass)`;
    const store = await createPostgresStore({ url, readers: 1 });
    await enqueue(store, jobs(2000));
    expect(await claim(store, "w", [FUNCTION, "test:other", "test:third"], 50)).toHaveLength(50);
    await store.close();
    await untilQuiet(sql);
    const [index] = await sql`select idx_tup_read::int from pg_stat_user_indexes
      where schemaname = ${schema} and indexrelname = 'jobs_claim'`;
    await sql.end();
    // Twice the limit; joined by the index, all 2,000 are read, and compared with each of these.
    expect(index!["idx_tup_read"]).toBeLessThan(1_000);
  });

  async function everyVerb(store: Store): Promise<void> {
    const parent = newJob(now, { functionName: "test:plans", idempotencyKey: `k-${Math.random()}` });
    await enqueue(store, [
      parent,
      ...jobs(3, { parentId: parent.jobId, delayMs: 1 }),
      ...jobs(3, { startWithinMs: 1e6 }),
    ]);
    await enqueue(store, [
      parent,
      newJob(now, { functionName: "test:plans", idempotencyKey: parent.options.idempotencyKey! }),
    ]);
    const leased = [
      ...(await claim(store, "w", [FUNCTION], 2)),
      ...(await claim(store, "w", [FUNCTION, "test:plans"], 5)),
    ];
    const [first, ...rest] = leased;
    await store.transact(async (tx) => {
      await tx.jobs.listLeased("w");
      await tx.jobs.listLiveChildren([parent.jobId]);
      await tx.jobs.promoteDue(10);
      await tx.jobs.listOverdue(10);
      await tx.nextDueAt();
      await tx.jobs.applyTransitions([decide(first!, { kind: "lose" }, { maxLosses: 1 }, 0)!]);
      await tx.jobs.prune({ state: "DEAD", finishedBefore: 5, limit: 10 });
    });
    await finishAll(store, rest);
    await store.transact((tx) => tx.jobs.delete(rest.slice(0, 1).map((job) => job.jobId)));
    await store.jobs.getMany(leased.map((job) => job.jobId));
    const filters = [{}, { states: ["RUNNING"] }, { functionNames: [FUNCTION] }, { parentId: parent.jobId }] as const;
    for (const filter of filters) await store.jobs.list({ filter, limit: 5, before: null });
    await store.jobs.list({ filter: { idempotencyKey: "k" }, limit: 5, before: null });
    await store.jobs.list({ filter: { createdBefore: 5 }, limit: 5, before: null });
  }

  async function untilQuiet(sql: ReturnType<typeof postgres>): Promise<void> {
    for (;;) {
      const rows = await sql`select 1 from pg_stat_activity
        where datname = current_database() and application_name = 'reseolio'`;
      if (rows.length === 0) return;
      await Bun.sleep(20);
    }
  }
});

test("a slice of pruning asks about a few functions only, so that nobody waits for it where there are many", async () => {
  await using it = await cluster(1);
  const store = it.stores[0]!;
  const names = Array.from({ length: 60 }, (_, index) => `test:prune:${index}`);
  await enqueue(
    store,
    names.map((functionName) => newJob(now, { functionName })),
  );
  await finishAll(store, await claim(store, "w", names, 60));
  const prune = { state: "SUCCESS", finishedBefore: Date.now() + 60_000, limit: 500 } as const;
  const slices: { readonly deleted: number; readonly done: boolean }[] = [];
  while (slices.at(-1)?.done !== true) slices.push(await store.transact((tx) => tx.jobs.prune(prune)));
  expect(slices).toEqual([
    { deleted: 50, done: false },
    { deleted: 10, done: true },
  ]);
});
