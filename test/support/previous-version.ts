/** The database of the version before records had an order; test/storage/fixtures/previous-version/README.md says more. */
import { Database } from "bun:sqlite";
import postgres from "postgres";
import { COPY_TABLES } from "../../src/daemon/storage/copy/copy-tables.ts";
import { migrate } from "../../src/daemon/storage/migrate.ts";
import { parsePostgresUrl } from "../../src/daemon/storage/postgres/connection/address.ts";
import { connect, USUAL_TIMEOUTS } from "../../src/daemon/storage/postgres/connection/connection.ts";
import { POSTGRES_MIGRATIONS, postgresTarget } from "../../src/daemon/storage/postgres/migrations/migrations.ts";
import { jobIdText } from "../../src/daemon/storage/rows/job-id.ts";

const PACKED = `${import.meta.dir}/../storage/fixtures/previous-version/jobs.db.gz`;
const VERSION = 3;
const LATER_COLUMNS: ReadonlySet<string> = new Set(["gate", "op", "latest_at", "latest_payload"]);
const LATER_TABLES: ReadonlySet<string> = new Set(["signals", "wait_details"]);

/** Writes the file. */
export async function unpackPreviousVersion(path: string): Promise<void> {
  await Bun.write(path, Bun.gunzipSync(await Bun.file(PACKED).arrayBuffer()));
}

/** The same rows in a schema of PostgreSQL that the migrations of that version made. */
export async function storePreviousVersion(path: string, url: string): Promise<void> {
  const address = parsePostgresUrl(url);
  const client = connect({ address, timeouts: USUAL_TIMEOUTS, session: "direct", max: 1 });
  await migrate(postgresTarget(client, address), POSTGRES_MIGRATIONS.slice(0, VERSION));
  await client.end();
  const sql = postgres(address.url, { max: 1, onnotice: () => {} });
  using db = new Database(path);
  for (const { name, columns, where } of COPY_TABLES.filter((table) => !LATER_TABLES.has(table.name))) {
    const names = Object.keys(columns).filter((column) => !LATER_COLUMNS.has(column));
    const rows = db.query(`select ${names.join(", ")} from ${name} where ${where ?? "true"}`).values();
    const places = names.map((_, at) => `$${at + 1}`);
    const insert = `insert into ${address.schema}.${name} (${names.join(", ")}) overriding system value values (${places.join(", ")})`;
    for (const row of rows) {
      await sql.unsafe(
        insert,
        names.map((column, at) => translated(row[at], columns[column]!)),
      );
    }
  }
  await sql.unsafe(`insert into ${address.schema}.job_count_deltas (function_id, state, delta)
    select function_id, state, count(*) from ${address.schema}.jobs group by function_id, state`);
  await sql.end();
}

function translated(value: unknown, kind: string) {
  if (value === null) return null;
  if (kind === "id") return jobIdText(value as Uint8Array);
  if (kind === "flag") return value === 1;
  return kind === "bytes" ? Buffer.from(value as Uint8Array) : (value as string | number);
}
