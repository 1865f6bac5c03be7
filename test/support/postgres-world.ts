import postgres from "postgres";
import { createPostgresStore, type PostgresStoreOptions } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { ManualClock } from "./manual-clock.ts";
import type { TestDatabase } from "./postgres-database.ts";

let sequence = 0;

export interface PostgresWorld extends AsyncDisposable {
  readonly store: Store;
  readonly clock: ManualClock;
  /** Of the schema. */
  readonly url: string;
  readonly schema: string;
}

/** A store in a schema of its own, whose time is that of a clock that the test moves. */
export async function postgresWorld(
  database: TestDatabase,
  options: Omit<PostgresStoreOptions, "url"> = {},
): Promise<PostgresWorld> {
  const schema = `world_${++sequence}`;
  const url = `${database.url}?schema=${schema}`;
  const clock = new ManualClock();
  const store = await createPostgresStore({ ...options, url });
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql.unsafe(`create table ${schema}.test_clock (now bigint not null);
    insert into ${schema}.test_clock values (${Math.floor(clock.now())});
    create or replace function ${schema}.now_ms() returns bigint language sql stable
      as 'select now from ${schema}.test_clock'`);
  return {
    store: withClock(store, clock, (now) => sql.unsafe(`update ${schema}.test_clock set now = ${Math.floor(now)}`)),
    clock,
    url,
    schema,
    async [Symbol.asyncDispose]() {
      await store.close();
      await sql.end();
    },
  };
}

/** The store, which is told the clock's time before each call that may read it. */
function withClock(store: Store, clock: ManualClock, tell: (now: number) => PromiseLike<unknown>): Store {
  let told = clock.now();
  const tellTime = async () => {
    if (clock.now() === told) return;
    told = clock.now();
    await tell(told);
  };
  const timed = (call: Verb): Verb => {
    return async (...args) => {
      await tellTime();
      return call(...args);
    };
  };
  // The parts of the store are objects of verbs.
  const parts = new Map(
    Object.entries(store)
      .filter(([, part]) => typeof part === "object" && part !== null && !Array.isArray(part))
      .map(([name, part]) => [name, Object.fromEntries(verbsOf(part).map(([verb, call]) => [verb, timed(call)]))]),
  );
  return new Proxy(store, {
    get(target, name: keyof Store) {
      const member: unknown = parts.get(name) ?? target[name];
      if (typeof member !== "function") return member;
      const call = member.bind(target) as Verb;
      return name === "close" || name === "now" ? call : timed(call);
    },
  });
}

type Verb = (...args: unknown[]) => unknown;

function verbsOf(part: object): readonly (readonly [string, Verb])[] {
  return Object.entries(part) as readonly (readonly [string, Verb])[];
}
