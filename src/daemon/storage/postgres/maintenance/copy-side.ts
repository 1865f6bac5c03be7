import { DaemonError } from "../../../core/errors.ts";
import {
  type CopyMarker,
  type CopySource,
  type CopyTarget,
  type MarkerMove,
  markerText,
  PAGE_BYTES,
  PAGE_ROWS,
  readMarkerText,
  refuseOldSource,
} from "../../copy/copy-side.ts";
import {
  type ColumnKind,
  COPY_TABLES,
  type CopyKey,
  type CopyRow,
  type CopyTable,
  type CopyValue,
  UNFINISHED_COPY,
} from "../../copy/copy-tables.ts";
import { newestVersion, readSupportedVersion } from "../../migrate.ts";
import { parsePostgresUrl, type PostgresAddress } from "../connection/address.ts";
import { type Client, destroy, runRows, USUAL_TIMEOUTS } from "../connection/connection.ts";
import { withDeadline } from "../connection/deadline.ts";
import { toStoreError } from "../connection/faults.ts";
import {
  booleanArray,
  bytesArray,
  numberArray,
  type Param,
  readText,
  storedText,
  textArray,
  uuidArray,
} from "../connection/literals.ts";
import type { Row, Value } from "../connection/rows.ts";
import { POSTGRES_MIGRATIONS, postgresTarget } from "../migrations/migrations.ts";
import { openDatabase, refuse } from "../opening/open-database.ts";
import { connectKindly, noSchema, PATIENT_TIMEOUTS } from "../opening/open-existing.ts";

/** Daemons that work on a schema, as its tables show. Daemons behind a pooler do not listen, but one of them leads. */
const IN_USE = `select
  greatest(
    (select count(*)::int from reseolio.listeners where expires_at > reseolio.now_ms()),
    (select count(*)::int from reseolio.leader where expires_at > reseolio.now_ms())
  ),
  (select count(*)::int from reseolio.workers where lease_expires_at > reseolio.now_ms()),
  (select max(lease_expires_at) - reseolio.now_ms() from reseolio.workers)`;

/**
 * Opens a schema to be copied. Its content is frozen until it is closed: one snapshot, and a lock that makes writers
 * fail. Throws `failed_precondition` while daemons work on it.
 */
export async function openPostgresSource(url: string): Promise<CopySource> {
  const address = parsePostgresUrl(url);
  const side = await PostgresCopySide.open(address);
  return side.or(async () => {
    await side.refuseOther();
    await side.refuseInUse(true);
    await side.freeze();
    return side;
  });
}

/** Opens the target schema of a copy, creating and migrating it if necessary. */
export async function openPostgresTarget(url: string): Promise<CopyTarget> {
  const address = parsePostgresUrl(url);
  await openDatabase(address, USUAL_TIMEOUTS, { isCopying: true });
  const side = await PostgresCopySide.open(address);
  return side.or(async () => {
    // Workers with running leases may have been copied already.
    await side.refuseInUse(false);
    return side;
  });
}

class PostgresCopySide implements CopyTarget {
  readonly name: string;
  readonly #address: PostgresAddress;
  readonly #client: Client;
  readonly #lost: () => boolean;

  private constructor(address: PostgresAddress, client: Client, lost: () => boolean) {
    this.name = address.name;
    this.#address = address;
    this.#client = client;
    this.#lost = lost;
  }

  static async open(address: PostgresAddress): Promise<PostgresCopySide> {
    let isLost = false;
    const { client } = await connectKindly(address, () => (isLost = true));
    return new PostgresCopySide(address, client, () => isLost);
  }

  /** Returns the result of the work; closes the connection when it fails. */
  async or<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (fault) {
      await this.close();
      return refuse(this.#address, fault);
    }
  }

  async refuseOther(): Promise<void> {
    const target = postgresTarget(this.#client, this.#address);
    const version = await readSupportedVersion(target, POSTGRES_MIGRATIONS);
    if (version === 0) throw noSchema(this.#address);
    refuseOldSource(this.name, version, newestVersion(POSTGRES_MIGRATIONS));
  }

  async refuseInUse(isAskedForWorkers: boolean): Promise<void> {
    const [row] = await this.#rows(IN_USE);
    const [daemons, workers, leaseMs] = row as [number, number, number | null];
    if (daemons > 0) {
      const which =
        daemons === 1 ? "1 daemon is working on it, or was" : `${daemons} daemons are working on it, or were`;
      throw inUse(this.name, `${which} within the last 30 seconds: stop all daemons, then copy`);
    }
    if (isAskedForWorkers && workers > 0) {
      const seconds = Math.ceil((leaseMs ?? 0) / 1_000);
      throw inUse(
        this.name,
        `${workers} workers hold leases for up to ${seconds} s more: stop the daemons and wait until the leases expire`,
      );
    }
  }

  async freeze(): Promise<void> {
    await this.#rows("begin isolation level repeatable read");
    // The first read takes the snapshot, after the lock.
    const tables = COPY_TABLES.map((table) => `reseolio.${table.name}`);
    await this.#rows(`lock table ${tables.join(", ")} in share mode`);
  }

  async countRows({ name, where }: CopyTable): Promise<number> {
    const rows = await this.#rows(`select count(*)::int from reseolio.${name} where ${where ?? "true"}`);
    return rows[0]![0] as number;
  }

  async readRows(table: CopyTable, after: CopyKey | null): Promise<readonly CopyRow[]> {
    const kinds = Object.values(table.columns);
    const params = (after ?? []).map((value) => (typeof value === "string" ? storedText(value) : value));
    const rows = await this.#rows(selectSql(table, after !== null), params);
    return rows.map((row) => row.map((value, index) => fromStored(value, kinds[index]!)));
  }

  async readMarker(): Promise<CopyMarker | null> {
    const rows = await this.#rows("select value from reseolio.meta where key = $1", [UNFINISHED_COPY]);
    return readMarkerText((rows[0]?.[0] ?? null) as string | null);
  }

  async begin(marker: CopyMarker): Promise<boolean> {
    const rows = await this.#rows(
      "insert into reseolio.meta (key, value) values ($1, $2) on conflict do nothing returning 1",
      [UNFINISHED_COPY, markerText(marker)],
    );
    return rows.length > 0;
  }

  async write(table: CopyTable, rows: readonly CopyRow[], { from, to }: MarkerMove): Promise<boolean> {
    const columns = Object.values(table.columns).map((kind, index) =>
      columnArray(
        kind,
        rows.map((row) => row[index]!),
      ),
    );
    const params = [UNFINISHED_COPY, markerText(from), markerText(to), ...columns];
    return (await this.#rows(insertSql(table), params)).length > 0;
  }

  async finish(marker: CopyMarker): Promise<boolean> {
    const moved = await this.#rows(FINISH, [UNFINISHED_COPY, markerText(marker)]);
    if (moved.length === 0) return false;
    // Updates the planner's statistics now; autovacuum would do so only later.
    for (const { name } of COPY_TABLES) await this.#rows(`analyze reseolio.${name}`);
    return true;
  }

  async erase(): Promise<void> {
    if ((await this.readMarker()) === null) return;
    await this.#rows(ERASE);
  }

  async close(): Promise<void> {
    await destroy(this.#client);
  }

  /** A new connection would have neither snapshot nor lock. */
  async #rows(sql: string, params: readonly Param[] = []): Promise<readonly Row[]> {
    if (this.#lost()) {
      throw new DaemonError(
        "unavailable",
        `the connection to ${this.name} was lost: run the same command again to resume the copy`,
      );
    }
    const text = sql.replaceAll("reseolio.", `${this.#address.schema}.`);
    const late = () => void destroy(this.#client);
    try {
      return await withDeadline(runRows(this.#client, text, params), PATIENT_TIMEOUTS.answerMs, this.name, late);
    } catch (fault) {
      throw toStoreError(fault, this.name);
    }
  }
}

/** Makes new functions get numbers after those that were copied. */
const FINISH = `with moved as (delete from reseolio.meta where key = $1 and value = $2 returning 1),
  counted as (
    insert into reseolio.job_counts (function_id, state, count)
    select function_id, state, count(*) from reseolio.jobs where exists (select 1 from moved) group by function_id, state
  )
  select setval(pg_get_serial_sequence('reseolio.functions', 'id'), greatest((select max(id) from reseolio.functions), 1))
  from moved`;

/** One statement, so that rows and marker are written together. */
const ERASE = `do $$ begin
  ${COPY_TABLES.map(({ name, where }) => `delete from reseolio.${name} where ${where ?? "true"};`).join("\n  ")}
  delete from reseolio.meta where key = '${UNFINISHED_COPY}';
end $$`;

/** A column may have a megabyte, so a part has as many rows as fit, at least one. */
function selectSql({ name, columns, key, where }: CopyTable, isLater: boolean): string {
  const list = Object.keys(columns).join(", ");
  const order = key.join(", ");
  const later = isLater
    ? `and (${order}) > (${key.map((one, index) => `$${index + 1}::${typeOf(columns[one]!)}`).join(", ")})`
    : "";
  const weights = Object.keys(columns)
    .filter((column) => columns[column] === "bytes" || columns[column] === "text")
    .map((column) => `coalesce(octet_length(${column}), 0)`);
  return `select ${list} from (
      select page.*, sum(weight) over (order by ${order} rows unbounded preceding) - weight as before from (
        select ${list}, ${weights.join(" + ") || "0"} as weight from reseolio.${name}
        where ${where ?? "true"} ${later} order by ${order} limit ${PAGE_ROWS}
      ) as page
    ) as weighed where before < ${PAGE_BYTES} order by ${order}`;
}

function insertSql({ name, columns }: CopyTable): string {
  const names = Object.keys(columns).join(", ");
  const arrays = Object.values(columns).map((kind, index) => `$${index + 4}::${typeOf(kind)}[]`);
  return `with moved as (update reseolio.meta set value = $3 where key = $1 and value = $2 returning 1),
    stored as (
      insert into reseolio.${name} (${names}) overriding system value
      select given.* from unnest(${arrays.join(", ")}) as given (${names}) where exists (select 1 from moved)
    )
    select 1 from moved`;
}

function typeOf(kind: ColumnKind): string {
  switch (kind) {
    case "id":
      return "uuid";
    case "integer":
      return "bigint";
    case "real":
      return "float8";
    case "text":
      return "text";
    case "bytes":
      return "bytea";
    case "flag":
      return "bool";
  }
}

function columnArray(kind: ColumnKind, values: readonly CopyValue[]): string {
  switch (kind) {
    case "id":
      return uuidArray(values as readonly (string | null)[]);
    case "integer":
    case "real":
      return numberArray(values as readonly (number | null)[]);
    case "text":
      return textArray(values as readonly (string | null)[]);
    case "bytes":
      return bytesArray(values as readonly (Uint8Array | null)[]);
    case "flag":
      return booleanArray(values as readonly (boolean | null)[]);
  }
}

function fromStored(value: Value, kind: ColumnKind): CopyValue {
  return kind === "text" && value !== null ? readText(value as string) : value;
}

function inUse(name: string, why: string): DaemonError {
  return new DaemonError("failed_precondition", `${name} is in use: ${why}`);
}
