/** P20 on PostgreSQL: a newer schema is refused and left alone; a crash while the schema is made is harmless. */
import { expect, test } from "bun:test";
import postgres from "postgres";
import { testStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { runCommand } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";

const ROUNDS = 10;

async function query<Row extends object>(db: string, text: string): Promise<readonly Row[]> {
  const url = new URL(db);
  const schema = url.searchParams.get("schema") ?? "reseolio";
  url.searchParams.delete("schema");
  const sql = postgres(url.toString(), { max: 1, onnotice: () => {}, connection: { search_path: schema } });
  try {
    return await sql.unsafe<Row[]>(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Everything that is in the schema, by name and definition. */
async function schemaOf(db: string): Promise<readonly object[]> {
  const objects = await query(
    db,
    `select 'column' as kind, table_name as name, column_name || ' ' || data_type || ' ' || is_nullable as definition
     from information_schema.columns where table_schema = current_schema
     union all select 'index', indexname, regexp_replace(indexdef, '[a-z0-9_]+[.]', '') from pg_indexes
     where schemaname = current_schema order by 1, 2, 3`,
  );
  return [...objects, ...(await query(db, "select value from meta where key = 'schema_version'"))];
}

test("P20: a newer schema is refused by serve and by db migrate, with both versions named, and is left alone", async () => {
  await using database = await testStore("postgres").createDatabase();
  await using daemon = await spawnDaemon({ db: database.db });
  await daemon.stop();
  const [meta] = await query<{ version: string }>(
    database.db,
    "select value as version from meta where key = 'schema_version'",
  );
  await query(database.db, "update meta set value = '987' where key = 'schema_version'");
  const before = await schemaOf(database.db);
  for (const words of [
    ["serve", "--db", database.db, "--addr", "127.0.0.1:0"],
    ["db", "migrate", "--db", database.db],
  ]) {
    const { exitCode, stderr } = await runCommand([...reseolioCommand(), ...words]);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1 });
    expect(stderr).toContain("987");
    expect(stderr).toContain(`up to ${meta?.version}`);
  }
  expect(await schemaOf(database.db)).toEqual(before);
}, 60_000);

test("P20: kill -9 while the daemon makes its schema leaves one that the next start completes", async () => {
  const random = seededRandom("P20 postgres");
  const store = testStore("postgres");
  await using whole = await store.createDatabase();
  const startedAt = performance.now();
  await using first = await spawnDaemon({ db: whole.db });
  const readyMs = Math.ceil(performance.now() - startedAt);
  await first.stop();
  const expected = await schemaOf(whole.db);
  let unfinished = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await using database = await store.createDatabase();
    await killAfterStart(database.db, random.between(Math.floor(readyMs / 4), readyMs));
    const [there] = await query<{ meta: string | null }>(database.db, "select to_regclass('meta')::text as meta");
    if (there?.meta === null) unfinished++;
    await using daemon = await spawnDaemon({ db: database.db });
    await daemon.stop();
    expect(await schemaOf(database.db)).toEqual(expected);
  }
  process.stderr.write(`P20 [postgres]: ${unfinished} of ${ROUNDS} kills came before the schema was there\n`);
}, 120_000);

async function killAfterStart(db: string, afterMs: number): Promise<void> {
  const [file = "", ...leading] = reseolioCommand();
  const child = Bun.spawn([file, ...leading, "serve", "--db", db, "--addr", "127.0.0.1:0"], { stderr: "ignore" });
  // The moment of the kill is the chance that is tested.
  await Bun.sleep(afterMs);
  child.kill("SIGKILL");
  await child.exited;
}
