/**
 * Why `patches/` changes the driver: as published, a backend that dies inside a transaction can hang its caller and its
 * pool for ever, and run one transaction's statements inside another. Each of these fails without the patch.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Socket } from "node:net";
import postgres from "postgres";
import { runSql, type TestDatabase, testDatabase } from "../support/postgres-database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await runSql(database.url, "create table rows (id bigint primary key, writer text not null)");
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

const KILL_EVERY_MS = 60;
const STORM_MS = 3_000;
/** Far above what one transaction takes, connecting anew included. */
const SETTLE_MS = 5_000;

type Sql = ReturnType<typeof postgres>;
/** Writes one row in a way of its own. */
type Write = (sql: Sql, id: number) => Promise<unknown>;

const ways: Readonly<Record<string, Write>> = {
  "single statements": (sql, id) => sql`insert into rows values (${id}, 'single')`,
  "transactions by begin": (sql, id) =>
    sql.begin(async (tx) => {
      await tx`insert into rows values (${id}, 'begin')`;
      await tx`select pg_sleep(0.005)`;
    }),
  "transactions on a reserved connection": async (sql, id) => {
    const own = await sql.reserve();
    try {
      await own`begin`;
      await own`insert into rows values (${id}, 'reserved')`;
      await own`commit`;
    } finally {
      await own`rollback`.catch(() => {});
      own.release();
    }
  },
};

describe("backends that are terminated every 60 ms", () => {
  for (const [name, write] of Object.entries(ways)) {
    test(`${name}: every call ends, what was acknowledged is there, and the pool goes on afterwards`, async () => {
      await runSql(database.url, "truncate rows");
      const sql = postgres(database.url, { max: 4, onnotice: () => {}, backoff: false, fetch_types: false });
      try {
        const acknowledged = new Set<number>();
        const hung = await underFire(sql, write, acknowledged);
        expect(hung).toEqual([]);
        expect(acknowledged.size).toBeGreaterThan(20);
        for (let id = 1e9; id < 1e9 + 20; id++) await settled(write(sql, id));
        const stored = new Set((await sql`select id::int from rows`).map((row) => row["id"] as number));
        expect([...acknowledged].filter((id) => !stored.has(id))).toEqual([]);
        expect([...stored].filter((id) => id >= 1e9)).toHaveLength(20);
      } finally {
        await sql.end({ timeout: 0 });
      }
    }, 60_000);
  }
});

/** Writes with eight callers while backends are killed; returns the ids of calls that never ended. */
async function underFire(sql: Sql, write: Write, acknowledged: Set<number>): Promise<readonly number[]> {
  const killer = killBackends();
  const hung: number[] = [];
  let id = 0;
  const until = performance.now() + STORM_MS;
  const caller = async () => {
    while (performance.now() < until) {
      const mine = ++id;
      const outcome = await settled(write(sql, mine)).catch((fault: Error) => fault);
      if (outcome === "hung") hung.push(mine);
      else if (!(outcome instanceof Error)) acknowledged.add(mine);
    }
  };
  await Promise.all(Array.from({ length: 8 }, caller));
  expect(await killer.stop()).toBeGreaterThan(10);
  return hung;
}

function settled<T>(work: Promise<T>): Promise<T | "hung"> {
  const late = Promise.withResolvers<"hung">();
  const timer = setTimeout(() => late.resolve("hung"), SETTLE_MS);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

function killBackends(): { stop(): Promise<number> } {
  const sql = postgres(database.url, { max: 1, connection: { application_name: "killer" } });
  let kills = 0;
  let isStopped = false;
  const done = (async () => {
    while (!isStopped) {
      const rows = await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name <> 'killer' and backend_type = 'client backend'
        order by random() limit 1`;
      kills += rows.length;
      await Bun.sleep(KILL_EVERY_MS);
    }
    await sql.end();
  })();
  return {
    async stop() {
      isStopped = true;
      await done;
      return kills;
    },
  };
}

describe("a transaction whose backend was ended for idling", () => {
  const idling = () => ({
    max: 1,
    onnotice: () => {},
    backoff: false as const,
    connection: { idle_in_transaction_session_timeout: 100 },
  });

  test("its statements never run inside the transaction of another caller", async () => {
    await runSql(database.url, "truncate rows");
    const sql = postgres(database.url, idling() as never);
    try {
      const wake = Promise.withResolvers<void>();
      const dead = sql
        .begin(async (tx) => {
          await tx`select 1`;
          await wake.promise;
          await tx`insert into rows values (1, 'dead')`;
        })
        .catch((fault: Error) => fault);
      expect(await settled(dead)).toBeInstanceOf(Error);
      const other = sql
        .begin(async (tx) => {
          await tx`insert into rows values (2, 'other')`;
          wake.resolve();
          // The dead one has every chance to write now.
          await Bun.sleep(50);
          throw new Error("rolled back");
        })
        .catch((fault: Error) => fault.message);
      expect(await settled(other)).toBe("rolled back");
      expect(await settled(sql`select id, writer from rows` as Promise<unknown>)).toEqual([]);
    } finally {
      await sql.end({ timeout: 0 });
    }
  });

  test("a reserved connection refuses, whoever has its place in the pool by then", async () => {
    await runSql(database.url, "truncate rows");
    const sql = postgres(database.url, idling() as never);
    try {
      await sql`select 1`;
      const own = await sql.reserve();
      await own`begin`;
      await untilGone(await backendOf(own));
      const other = sql.begin(async (tx) => {
        await tx`insert into rows values (2, 'other')`;
        const late = await settled(Promise.resolve(own`insert into rows values (1, 'dead')`)).catch(
          (fault: Error) => fault,
        );
        expect(late).toBeInstanceOf(Error);
        own.release();
      });
      await settled(other);
      expect(await settled(sql`select id::int from rows` as Promise<unknown>)).toEqual([{ id: 2 }]);
    } finally {
      await sql.end({ timeout: 0 });
    }
  });
});

async function backendOf(sql: Pick<Sql, "unsafe">): Promise<number> {
  const [row] = await sql.unsafe("select pg_backend_pid() as pid");
  return row!["pid"] as number;
}

async function untilGone(pid: number): Promise<void> {
  const sql = postgres(database.url, { max: 1 });
  for (let rows: readonly unknown[] = [pid]; rows.length > 0; await Bun.sleep(10)) {
    rows = await sql`select 1 from pg_stat_activity where pid = ${pid}`;
  }
  await sql.end();
}

test("ending a pool lets go of a connection whose peer neither answers nor closes", async () => {
  const connected = Promise.withResolvers<Socket>();
  const released = Promise.withResolvers<void>();
  const peer = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => released.resolve());
    socket.on("data", () => connected.resolve(socket));
  });
  await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
  const { port } = peer.address() as AddressInfo;
  const sql = postgres(`postgres://u@127.0.0.1:${port}/d`, { max: 1, connect_timeout: 60 });
  const refused = sql`select 1`.catch((fault: { code: string }) => fault.code);
  const socket = await connected.promise;
  await sql.end({ timeout: 0 });
  expect(await refused).toBe("CONNECTION_DESTROYED");
  // What is written to a connection that nobody holds any more comes back as a reset.
  const writes = setInterval(() => socket.write("."), 50);
  expect(await settled(released.promise)).toBeUndefined();
  clearInterval(writes);
  socket.destroy();
  peer.close();
});
