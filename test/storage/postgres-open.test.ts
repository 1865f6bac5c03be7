import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import { migrate } from "../../src/daemon/storage/migrate.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import { parsePostgresUrl } from "../../src/daemon/storage/postgres/connection/address.ts";
import { connect, USUAL_TIMEOUTS } from "../../src/daemon/storage/postgres/connection/connection.ts";
import { POSTGRES_MIGRATIONS, postgresTarget } from "../../src/daemon/storage/postgres/migrations/migrations.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import { freePort } from "../support/free-port.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";

const PASSWORD = "canary-s3cret";
let server: PostgresServer;
let sql: ReturnType<typeof postgres>;
beforeAll(async () => {
  server = await startPostgres();
  sql = postgres(server.url("postgres"), { max: 1, onnotice: () => {} });
  await sql.unsafe(`create role guarded login password '${PASSWORD}'`);
}, 120_000);
afterAll(async () => {
  await sql.end();
  await server[Symbol.asyncDispose]();
});

/** The fault of an address that must be refused, which never shows the password. */
async function refusal(url: string): Promise<DaemonError> {
  const fault = await createPostgresStore({ url }).then(
    () => new Error("it was opened"),
    (error: DaemonError) => error,
  );
  for (const text of [fault.message, String(fault.stack), Bun.inspect(fault)]) expect(text).not.toContain(PASSWORD);
  return fault as DaemonError;
}

const guarded = (database: string, password = PASSWORD) =>
  `postgres://guarded:${password}@127.0.0.1:${server.port}/${database}`;

describe("an address that cannot be used is refused with what to change", () => {
  test("no server there", async () => {
    const fault = await refusal(`postgres://u:${PASSWORD}@127.0.0.1:${await freePort()}/app`);
    expect(fault).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("no server answers at this address"),
    });
  });

  test("an unknown host", async () => {
    const fault = await refusal(`postgres://u:${PASSWORD}@no-such-host.invalid/app`);
    expect(fault).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("no-such-host.invalid:5432/app"),
    });
  });

  test("a wrong password", async () => {
    const fault = await refusal(guarded("postgres", `${PASSWORD}-not`));
    expect(fault).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("check the user and password"),
    });
  });

  test("a database that does not exist", async () => {
    const fault = await refusal(guarded("nowhere"));
    expect(fault).toMatchObject({ code: "failed_precondition", message: expect.stringContaining("createdb nowhere") });
  });

  test("a user who may not make the schema", async () => {
    await sql.unsafe("create database closed");
    const fault = await refusal(guarded("closed"));
    expect(fault.code).toBe("failed_precondition");
    expect(fault.message).toContain('create schema reseolio authorization "guarded"');
    const owner = postgres(server.url("closed"), { max: 1 });
    await owner.unsafe('create schema reseolio authorization "guarded"');
    await owner.end();
    await (await createPostgresStore({ url: guarded("closed") })).close();
  });

  test("a user who may not use the tables of another owner", async () => {
    await sql.unsafe("create database owned");
    await (await createPostgresStore({ url: server.url("owned") })).close();
    const fault = await refusal(guarded("owned"));
    expect(fault.code).toBe("failed_precondition");
    expect(fault.message).toMatch(/grant usage on schema reseolio to "?guarded"?/);
    const owner = postgres(server.url("owned"), { max: 1 });
    await owner.unsafe(
      'grant usage on schema reseolio to "guarded"; grant all on all tables in schema reseolio to "guarded"',
    );
    await owner.end();
    await (await createPostgresStore({ url: guarded("owned") })).close();
  });

  test("an encoding that cannot store all text", async () => {
    await sql.unsafe("create database narrow encoding 'LATIN1' template template0 locale 'C'");
    const fault = await refusal(server.url("narrow"));
    expect(fault).toMatchObject({ code: "failed_precondition", message: expect.stringContaining("LATIN1") });
  });

  test("a schema of another program", async () => {
    await sql.unsafe("create database shared");
    const owner = postgres(server.url("shared"), { max: 1 });
    await owner.unsafe("create schema reseolio create table orders (id int)");
    const fault = await refusal(server.url("shared"));
    expect(fault).toMatchObject({ code: "failed_precondition", message: expect.stringContaining("?schema=NAME") });
    expect(
      await owner.unsafe("select count(*)::int as n from pg_class where relnamespace = 'reseolio'::regnamespace"),
    ).toEqual([{ n: 1 }] as never);
    await owner.end();
  });

  const malformed: Readonly<Record<string, RegExp>> = {
    [`postgres://u:${PASSWORD}@host:99999/db`]: /port 99999/,
    [`postgres://u:${PASSWORD}@ho st/db`]: /host "ho st"/,
    [`postgres://u:${PASSWORD}@host/db?schema=Weird-Name`]: /schema "Weird-Name"/,
    [`postgres://u:${PASSWORD}@host/db?schema=x%3Bdrop`]: /schema "x;drop"/,
    [`postgres://u:${PASSWORD}%zz@host/%zz`]: /hexadecimal/,
  };
  for (const [url, message] of Object.entries(malformed)) {
    test(`an address like ${url.replace(PASSWORD, "…")}`, async () => {
      const fault = await refusal(url);
      expect(fault.code).toBe("invalid_argument");
      expect(fault.violations[0]?.field).toBe("db");
      expect(fault.message).toMatch(message);
    });
  }
});

describe("an address", () => {
  test("is named by hosts and database, without user and password", () => {
    const name = (url: string) => parsePostgresUrl(url).name;
    expect(name(`postgres://u:${PASSWORD}@db.example:6000/app?sslmode=require`)).toBe("db.example:6000/app");
    expect(name(`postgresql://u:${PASSWORD}@a:1,b:2/app?schema=jobs`)).toBe("a:1,b:2/app?schema=jobs");
    expect(name("postgres:///app")).toBe("localhost:5432/app");
    expect(name(`postgres://u:p%40ss@[::1]:5432/app`)).toBe("[::1]:5432/app");
  });

  test("keeps what is the driver's, but not the schema", () => {
    const { url, schema } = parsePostgresUrl("postgres://u:p@h/app?schema=jobs&sslmode=require");
    expect([url, schema]).toEqual(["postgres://u:p@h/app?sslmode=require", "jobs"]);
  });

  test("of several servers means the one that takes writes, unless it says otherwise", () => {
    const { url } = parsePostgresUrl("postgres://u:p@a,b:6000/app");
    expect(url).toBe("postgres://u:p@a,b:6000/app?target_session_attrs=primary");
    const own = parsePostgresUrl("postgres://u:p@a,b/app?target_session_attrs=read-write");
    expect(own.url).toEndWith("?target_session_attrs=read-write");
  });

  test("opens the same store through openStore", async () => {
    await sql.unsafe("create database opened");
    const { store } = await openStore(server.url("opened"), { clock: new ManualClock() });
    expect([store.kind, store.name]).toEqual(["postgres", `127.0.0.1:${server.port}/opened`]);
    await store.close();
  });
});

describe("P20", () => {
  test("twenty daemons that start at once on an empty database migrate it once", async () => {
    await sql.unsafe("create database crowded");
    const stores = await Promise.all(
      Array.from({ length: 20 }, () => createPostgresStore({ url: server.url("crowded") })),
    );
    expect(await Promise.all(stores.map((store) => store.jobs.count()))).toEqual(stores.map(() => []));
    await Promise.all(stores.map((store) => store.close()));
  }, 60_000);

  test("a newer schema is refused with both versions, and nothing is changed", async () => {
    await sql.unsafe("create database newer");
    await (await createPostgresStore({ url: server.url("newer") })).close();
    const owner = postgres(server.url("newer"), { max: 1 });
    await owner.unsafe("update reseolio.meta set value = '99' where key = 'schema_version'");
    const fault = await refusal(server.url("newer"));
    expect(fault).toMatchObject({ code: "failed_precondition", metadata: { schemaVersion: "99" } });
    expect(fault.message).toContain("a newer version of reseolio migrated it");
    await owner.end();
  });

  test("a migration that breaks off leaves the version before, and the next start completes it", async () => {
    await sql.unsafe("create database broken");
    const address = parsePostgresUrl(server.url("broken"));
    const client = connect({ address, timeouts: USUAL_TIMEOUTS, session: "direct", max: 1 });
    const target = postgresTarget(client, address);
    const [first] = POSTGRES_MIGRATIONS;
    for (const fault of ["select 1 / 0", "select pg_terminate_backend(pg_backend_pid())"]) {
      const broken = migrate(target, [{ version: 1, sql: `${first!.sql}; ${fault}` }]);
      expect(await broken.catch(() => "broken off")).toBe("broken off");
      expect(await target.readVersion()).toBe(0);
    }
    await client.end();
    await (await createPostgresStore({ url: server.url("broken") })).close();
  });

  test("several stores of one database live in schemas of their own", async () => {
    await sql.unsafe("create database many");
    const urls = ["one", "two"].map((schema) => `${server.url("many")}?schema=${schema}`);
    const stores = await Promise.all(urls.map((url) => createPostgresStore({ url })));
    expect(stores.map((store) => store.name)).toEqual(
      ["one", "two"].map((schema) => `127.0.0.1:${server.port}/many?schema=${schema}`),
    );
    await Promise.all(stores.map((store) => store.close()));
  });
});
