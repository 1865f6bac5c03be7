import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { startPostgres } from "./postgres-server.ts";

/** Databases of one test run: on the server that DATABASE_URL names, else on one of our own that starts when asked for. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

let server: Promise<string> | null = null;

/** The address of the server's own database, for whoever may make others. */
export function adminUrl(): Promise<string> {
  const given = process.env["DATABASE_URL"];
  server ??= given ? Promise.resolve(given) : startPostgres().then((own) => own.url("postgres"));
  return server;
}

/** A new database, gone when it is disposed of. A file of tests takes one; its tests take schemas of it. */
export async function testDatabase(): Promise<TestDatabase> {
  const admin = await adminUrl();
  const name = `reseolio_test_${randomBytes(6).toString("hex")}`;
  await runSql(admin, `create database ${name} encoding 'UTF8' template template0`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return {
    url: url.toString(),
    [Symbol.asyncDispose]: () => runSql(admin, `drop database if exists ${name} with (force)`),
  };
}

let shared: Promise<TestDatabase> | null = null;

/**
 * A schema that nobody else has, which is not there yet: made in a moment, where a database takes half a second. It goes
 * with the server; on one that DATABASE_URL names it is a database after all, so that nothing stays there.
 */
export async function testSchema(): Promise<TestDatabase> {
  if (process.env["DATABASE_URL"]) return testDatabase();
  shared ??= testDatabase();
  const url = new URL((await shared).url);
  url.searchParams.set("schema", `test_${randomBytes(6).toString("hex")}`);
  return { url: url.toString(), [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** Runs statements on a connection of their own. */
export async function runSql(url: string, text: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
