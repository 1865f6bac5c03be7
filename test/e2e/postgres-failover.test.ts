/** P1, P19 on PostgreSQL with a synchronous standby: what was acknowledged survives the loss of the primary. */
import { expect, test } from "bun:test";
import postgres from "postgres";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import { Reseolio } from "../../src/sdk/index.ts";
import { newJob, type StoreWorld } from "../storage/store-world.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type PostgresServer, REPLICATION, startPostgres } from "../support/postgres-server.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";

const FUNCTION = "failover:count";

async function run(server: PostgresServer, statement: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(server.url("postgres"), { max: 1, onnotice: () => {} });
  try {
    return await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endAt = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > endAt) throw new Error(`${what}: not within 20 s`);
    await Bun.sleep(50);
  }
}

/** Commits wait for the standby from here on. */
async function waitForStandby(primary: PostgresServer): Promise<void> {
  await run(primary, "alter system set synchronous_standby_names = 'standby'");
  await run(primary, "select pg_reload_conf()");
  await until("the standby is synchronous", async () => {
    const rows = await run(primary, "select 1 from pg_stat_replication where sync_state = 'sync'");
    return rows.length > 0;
  });
}

test("P1: the primary is lost and the synchronous standby takes over: the same daemon goes on, nothing acknowledged is lost", async () => {
  await using primary = await startPostgres({ settings: REPLICATION });
  await using standby = await primary.startStandby();
  await waitForStandby(primary);
  const hosts = `127.0.0.1:${primary.port},127.0.0.1:${standby.port}`;
  await using daemon = await spawnDaemon({ db: `postgres://postgres@${hosts}/postgres` });
  const reseolio = new Reseolio({
    address: daemon.address,
    autoStart: false,
    workerConcurrency: 0,
    callTimeoutMs: 40_000,
  });
  await reseolio.start();
  const acknowledged = new Set<string>();
  let isStopped = false;
  const lanes = Array.from({ length: 8 }, async () => {
    while (!isStopped) acknowledged.add((await reseolio.enqueue(FUNCTION, [acknowledged.size])).jobId);
  });
  await until("some calls", async () => acknowledged.size > 100);
  // Calls that the standby has not received must not be acknowledged, so it receives nothing just before the crash.
  const [sender] = await run(primary, "select pid from pg_stat_replication");
  process.kill(Number(sender!["pid"]), "SIGSTOP");
  await Bun.sleep(300);
  const gone = primary.crash();
  process.kill(Number(sender!["pid"]), "SIGKILL");
  await gone;
  const before = acknowledged.size;
  await run(standby, "alter system reset synchronous_standby_names");
  await run(standby, "select pg_promote()");
  await until("calls go on", async () => acknowledged.size > before + 100);
  isStopped = true;
  await Promise.all(lanes);
  await reseolio.stop();
  const rows = await run(standby, "select id::text from reseolio.jobs");
  const stored = new Set(rows.map(({ id }) => String(id)));
  expect([...acknowledged].filter((id) => !stored.has(id))).toEqual([]);
}, 90_000);

test("while the synchronous standby is away nothing is acknowledged, and the call that is repeated finds its job", async () => {
  await using server = await startPostgres({ settings: REPLICATION });
  const timeouts = { statementMs: 500, answerMs: 1_500 };
  const store = await createPostgresStore({ url: server.url("postgres"), timeouts });
  const world = { clock: new ManualClock(Date.now()) } as StoreWorld;
  await store.transact((tx) => tx.jobs.enqueue([newJob(world)]));
  await run(server, "alter system set synchronous_standby_names = 'nobody'");
  await run(server, "select pg_reload_conf()");
  let item = newJob(world);
  // The server applies the setting asynchronously.
  await until("commits wait", async () => {
    item = newJob(world);
    const fault = await store.transact((tx) => tx.jobs.enqueue([item])).then(() => null, String);
    if (fault !== null) expect(fault).toContain("the last write may or may not have been committed");
    return fault !== null;
  });
  await run(server, "alter system reset synchronous_standby_names");
  await run(server, "select pg_reload_conf()");
  await until("it is stored", async () => (await store.jobs.get(item.jobId)) !== null);
  const [again] = await store.transact((tx) => tx.jobs.enqueue([item]));
  expect(again).toMatchObject({ kind: "repeated", jobId: item.jobId });
  await store.close();
}, 60_000);
