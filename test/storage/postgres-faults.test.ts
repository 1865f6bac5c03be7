/** P19 on PostgreSQL: whatever becomes of server and network, calls end, acknowledged jobs are there, and it goes on by itself. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import postgres from "postgres";
import { DaemonError } from "../../src/daemon/core/errors.ts";
import { createPostgresStore, type PostgresStoreOptions } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { randomFrom, seededRandom } from "../support/seeded-random.ts";
import { FUNCTION, newJob, type StoreWorld, WORKER } from "./store-world.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
}, 120_000);
afterAll(() => server[Symbol.asyncDispose]());

const TIMEOUTS = { connectMs: 1_000, statementMs: 1_000, lockMs: 1_000, idleInTransactionMs: 1_000, answerMs: 1_500 };
/** The longest that any call may take: a deadline, a new connection, and some slack. */
const LONGEST_MS = 4_000;

let schemas = 0;

/** A store reached through a network of the test's own. */
async function world(options: Partial<PostgresStoreOptions> = {}) {
  const proxy = await startCuttingProxy(`127.0.0.1:${server.port}`, seededRandom("faults"));
  const schema = `faults_${++schemas}`;
  const url = `postgres://postgres@${proxy.address}/postgres?schema=${schema}`;
  const store = await createPostgresStore({ url, timeouts: TIMEOUTS, ...options });
  return {
    proxy,
    store,
    schema,
    async [Symbol.asyncDispose]() {
      await store.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

interface Tally {
  readonly acknowledged: Set<string>;
  readonly faults: DaemonError[];
  longestMs: number;
}

const newTally = (): Tally => ({ acknowledged: new Set(), faults: [], longestMs: 0 });

/** Stores jobs one after the other until told to stop; a job whose answer was a fault is tried again under its id. */
function keepStoring(store: Store, tally: Tally): { stop(): Promise<void> } {
  let isStopped = false;
  const done = (async () => {
    while (!isStopped) {
      const item = newJob({ clock: new ManualClock(Date.now()) } as StoreWorld);
      while (!isStopped && !(await tryToStore(store, item, tally)));
    }
  })();
  return {
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

async function tryToStore(store: Store, item: ReturnType<typeof newJob>, tally: Tally): Promise<boolean> {
  const startedAt = performance.now();
  try {
    const [outcome] = await store.transact((tx) => tx.jobs.enqueue([item]), { readsTimeLate: true });
    if (outcome!.kind !== "stored" && outcome!.kind !== "repeated") throw new Error(`answered ${outcome!.kind}`);
    tally.acknowledged.add(item.jobId);
    return true;
  } catch (fault) {
    if (!(fault instanceof DaemonError)) throw fault;
    tally.faults.push(fault);
    // A refusal comes at once: the test's own loop must not spin.
    await Bun.sleep(5);
    return false;
  } finally {
    tally.longestMs = Math.max(tally.longestMs, performance.now() - startedAt);
  }
}

async function expectAllThere(store: Store, { acknowledged, faults, longestMs }: Tally): Promise<void> {
  const found = new Set((await store.jobs.getMany([...acknowledged])).map((job) => job.jobId));
  expect([...acknowledged].filter((jobId) => !found.has(jobId))).toEqual([]);
  const [count] = await store.jobs.count();
  // Calls under way at the end may have been stored without an answer.
  expect(count!.count).toBeGreaterThanOrEqual(acknowledged.size);
  expect(faults.filter((fault) => fault.code !== "unavailable")).toEqual([]);
  expect(longestMs).toBeLessThan(LONGEST_MS);
}

async function untilProgress(tally: Tally, jobs = 20): Promise<void> {
  const target = tally.acknowledged.size + jobs;
  const until = performance.now() + 10_000;
  while (tally.acknowledged.size < target) {
    if (performance.now() > until) throw new Error("no progress 10 s after the last fault");
    await Bun.sleep(5);
  }
}

describe("P19", () => {
  test("backends terminated every 60 ms: no call hangs, nothing acknowledged is lost, nobody else's transaction is touched", async () => {
    await using it = await world();
    const tally = newTally();
    const storing = keepStoring(it.store, tally);
    const reading = readAlong(it.store);
    const sql = postgres(server.url("postgres"), { max: 1, connection: { application_name: "killer" } });
    for (let round = 0; round < 50; round++) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'reseolio'
        order by random() limit 1`;
      await Bun.sleep(60);
    }
    await sql.end();
    await untilProgress(tally);
    await storing.stop();
    expect(await reading.stop()).toBeGreaterThan(50);
    expect(tally.faults.length).toBeGreaterThan(5);
    await expectAllThere(it.store, tally);
  }, 60_000);

  test("a server that crashes and comes back: the same store goes on", async () => {
    await using it = await world();
    const tally = newTally();
    const storing = keepStoring(it.store, tally);
    await untilProgress(tally);
    for (const downMs of [0, 300, 1_000]) {
      await server.crash();
      await Bun.sleep(downMs);
      await server.start();
      await untilProgress(tally);
    }
    await storing.stop();
    expect(tally.faults.length).toBeGreaterThan(0);
    await expectAllThere(it.store, tally);
  }, 60_000);

  test("a network that swallows everything: calls end at their deadline, and it goes on when the network does", async () => {
    await using it = await world();
    const tally = newTally();
    const storing = keepStoring(it.store, tally);
    await untilProgress(tally);
    it.proxy.set({ isBlackHole: true });
    const read = await it.store.jobs.count().catch((fault: DaemonError) => fault);
    expect(read).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("did not answer within 1500 ms"),
    });
    expect(it.store.ping()).rejects.toThrow(/did not answer|connection was lost/);
    await Bun.sleep(TIMEOUTS.answerMs);
    it.proxy.set({});
    await untilProgress(tally);
    await storing.stop();
    await expectAllThere(it.store, tally);
  }, 60_000);

  test("connections that a firewall forgot: new ones are made after the deadline, while the old ones stay silent", async () => {
    await using relay = await startForgetfulRelay(server.port);
    const url = `postgres://postgres@127.0.0.1:${relay.port}/postgres?schema=faults_${++schemas}`;
    const store = await createPostgresStore({ url, timeouts: TIMEOUTS });
    const tally = newTally();
    const storing = keepStoring(store, tally);
    await untilProgress(tally);
    relay.forget();
    await untilProgress(tally);
    await storing.stop();
    expect(tally.faults).toHaveLength(1);
    await expectAllThere(store, tally);
    await store.close();
  }, 60_000);

  test("P2: answers that are cut off, that of COMMIT among them: a repeated call finds its job, none is stored twice", async () => {
    await using it = await world();
    const tally = newTally();
    it.proxy.set({ cutReplies: 0.1 });
    const storing = keepStoring(it.store, tally);
    await untilProgress(tally, 100);
    it.proxy.set({});
    await untilProgress(tally);
    await storing.stop();
    expect(it.proxy.cuts).toBeGreaterThan(10);
    await expectAllThere(it.store, tally);
  }, 60_000);

  test("a daemon that stands still inside a transaction loses it, and what it locked is free for the others", async () => {
    await using it = await world();
    const item = newJob({ clock: new ManualClock(Date.now()) } as StoreWorld, { idempotencyKey: "held" });
    const other = await createPostgresStore({
      url: `${server.url("postgres")}?schema=${it.schema}`,
      timeouts: { ...TIMEOUTS, lockMs: 3_000, statementMs: 3_000, answerMs: 4_000 },
    });
    const still = it.store
      .transact(async (tx) => {
        await tx.jobs.enqueue([item]);
        await Bun.sleep(TIMEOUTS.idleInTransactionMs + 500);
        return tx.jobs.enqueue([{ ...item, jobId: Bun.randomUUIDv7() }]);
      })
      .catch((fault: DaemonError) => fault.code);
    await Bun.sleep(50);
    const rival = { ...item, jobId: Bun.randomUUIDv7() };
    expect(await other.transact((tx) => tx.jobs.enqueue([rival]))).toMatchObject([
      { kind: "stored", jobId: rival.jobId },
    ]);
    expect(await still).toBe("unavailable");
    expect(await it.store.jobs.get(item.jobId)).toBeNull();
    await other.close();
  }, 30_000);

  test("a transaction that another one is in the way of fails as passing, with nothing kept, and works when repeated", async () => {
    await using it = await world();
    const item = newJob({ clock: new ManualClock(Date.now()) } as StoreWorld);
    await it.store.transact((tx) => tx.jobs.enqueue([item]));
    const [job] = await it.store.transact(async (tx) => {
      const [claimed] = await tx.jobs.claim([{ workerId: WORKER, functionNames: [FUNCTION], limit: 1 }]);
      return claimed!.jobs;
    });
    const sql = postgres(server.url("postgres"), { max: 1 });
    const release = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = sql.begin(async (tx) => {
      await tx.unsafe(`select 1 from ${it.schema}.jobs for update`);
      locked.resolve();
      await release.promise;
    });
    await locked.promise;
    const settle = { jobId: job!.jobId, functionName: FUNCTION, parentId: null, attempt: 1, workerId: WORKER };
    const transition = {
      ...settle,
      expected: { state: "RUNNING", leaseToken: job!.leaseToken },
      change: { state: "SUCCESS", result: new Uint8Array([49]) },
      ended: null,
    } as const;
    const apply = () => it.store.transact((tx) => tx.jobs.applyTransitions([transition]));
    expect(await apply().catch((fault: DaemonError) => fault.code)).toBe("unavailable");
    release.resolve();
    await holding;
    await sql.end();
    expect(await apply()).toEqual([true]);
    expect(await it.store.jobs.count()).toEqual([{ functionName: FUNCTION, state: "SUCCESS", count: 1 }]);
  }, 30_000);
});

/** Reads while others write: a lost connection is made up for without anybody noticing, or it is passing. */
function readAlong(store: Store): { stop(): Promise<number> } {
  let isStopped = false;
  let reads = 0;
  const done = (async () => {
    const random = randomFrom(1);
    while (!isStopped) {
      const read = random.next() < 0.5 ? store.jobs.count() : store.jobs.list({ filter: {}, limit: 3, before: null });
      await (read as Promise<unknown>).then(
        () => reads++,
        (fault: unknown) => {
          if (!(fault instanceof DaemonError) || fault.code !== "unavailable") throw fault;
        },
      );
      await Bun.sleep(5);
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await done;
      return reads;
    },
  };
}

/** Carries bytes until it forgets the connections that are open: those carry nothing more, and are never closed. */
async function startForgetfulRelay(target: number) {
  let forgotten = new Set<Socket>();
  const links = new Set<Socket>();
  const relay = createServer((downstream) => {
    const upstream = connect(target, "127.0.0.1");
    for (const [from, to] of [[downstream, upstream] as const, [upstream, downstream] as const]) {
      links.add(from);
      from.on("error", () => {});
      from.on("data", (bytes) => forgotten.has(from) || to.write(bytes));
      from.on("close", () => forgotten.has(from) || to.destroy());
    }
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  return {
    port: (relay.address() as AddressInfo).port,
    forget: () => void (forgotten = new Set(links)),
    async [Symbol.asyncDispose]() {
      for (const link of links) link.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}
