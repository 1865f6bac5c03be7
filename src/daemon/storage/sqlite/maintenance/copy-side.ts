import type { Database } from "bun:sqlite";
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
import { migrate, newestVersion } from "../../migrate.ts";
import { jobIdBytes, jobIdText } from "../../rows/job-id.ts";
import { openReader, openWriter, rollBackCrash } from "../connection/connection.ts";
import { hasContent, resolveDatabasePath, resolveExistingDatabase } from "../connection/database-path.ts";
import { toStoreError } from "../connection/faults.ts";
import { acquireFileLock, type FileLock } from "../connection/file-lock.ts";
import type { Row, Value } from "../connection/rows.ts";
import { INLINE_ARGS_BYTES } from "../jobs/enqueue-jobs.ts";
import { SQLITE_MIGRATIONS, sqliteTarget } from "../migrations/migrations.ts";
import { onSnapshot } from "../opening/open-existing.ts";

const OWNER = { nodeId: "db copy", address: "" };

/** Opens an existing file as the source of a copy, exclusively: `failed_precondition` while a daemon serves it. */
export async function openSqliteSource(given: string): Promise<CopySource> {
  const path = resolveExistingDatabase(given);
  rollBackCrash(path);
  await onSnapshot(path, ({ schemaVersion }) => {
    refuseOldSource(path, schemaVersion, newestVersion(SQLITE_MIGRATIONS));
  });
  return openAlone(path, async () => new SqliteCopySide(path, openReader(path)));
}

/** Opens the target file of a copy, creating it if it does not exist. */
export async function openSqliteTarget(given: string): Promise<CopyTarget> {
  const path = resolveDatabasePath(given);
  rollBackCrash(path);
  if (hasContent(path)) await onSnapshot(path, () => {});
  return openAlone(path, async () => {
    const db = openWriter(path);
    await migrate(sqliteTarget(db, path), SQLITE_MIGRATIONS);
    return new SqliteCopySide(path, db);
  });
}

async function openAlone(path: string, open: () => Promise<SqliteCopySide>): Promise<SqliteCopySide> {
  const lock = acquireFileLock(path, OWNER);
  try {
    return (await open()).holding(lock);
  } catch (fault) {
    lock.release();
    throw toStoreError(fault, path);
  }
}

/** Where a column is not simply read. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  "jobs.args": "coalesce(args, (select args from large_args where job_id = jobs.id))",
};

class SqliteCopySide implements CopyTarget {
  readonly name: string;
  readonly #db: Database;
  #lock: FileLock | null = null;

  constructor(path: string, db: Database) {
    this.name = path;
    this.#db = db;
  }

  holding(lock: FileLock): this {
    this.#lock = lock;
    return this;
  }

  countRows({ name, where }: CopyTable): Promise<number> {
    return this.#guarded(() => {
      const rows = this.#all(`select count(*) from ${name} where ${where ?? "true"}`);
      return rows[0]![0] as number;
    });
  }

  readRows(table: CopyTable, after: CopyKey | null): Promise<readonly CopyRow[]> {
    return this.#guarded(() => {
      const kinds = Object.values(table.columns);
      const params = (after ?? []).map((value, index) => toStored(value, table.columns[table.key[index]!]!));
      const rows: CopyRow[] = [];
      let size = 0;
      // Not all at once: rows may have a megabyte each.
      for (const row of this.#db.query(selectSql(table, after !== null)).iterate(...params) as Iterable<unknown>) {
        const values = Object.values(row as Record<string, Value>).map((value, index) =>
          fromStored(value, kinds[index]!),
        );
        rows.push(values);
        size += sizeOf(values);
        if (size >= PAGE_BYTES) break;
      }
      return rows;
    });
  }

  readMarker(): Promise<CopyMarker | null> {
    return this.#guarded(() => readMarkerText(this.#marker()));
  }

  begin(marker: CopyMarker): Promise<boolean> {
    return this.#guarded(() => {
      const values = [UNFINISHED_COPY, markerText(marker)];
      return this.#db.run("insert or ignore into meta (key, value) values (?, ?)", values).changes > 0;
    });
  }

  write(table: CopyTable, rows: readonly CopyRow[], { from, to }: MarkerMove): Promise<boolean> {
    return this.#atOnce(from, () => {
      const insert = this.#db.query(insertSql(table));
      const kinds = Object.values(table.columns);
      for (const row of rows)
        insert.run(
          ...this.#split(
            table,
            row.map((value, index) => toStored(value, kinds[index]!)),
          ),
        );
      this.#db.run("update meta set value = ? where key = ?", [markerText(to), UNFINISHED_COPY]);
    });
  }

  finish(marker: CopyMarker): Promise<boolean> {
    return this.#atOnce(marker, () => {
      this.#db.run("delete from job_counts");
      this.#db.run(`insert into job_counts (function_id, state, count)
        select function_id, state, count(*) from jobs group by function_id, state`);
      this.#db.run("delete from meta where key = ?", [UNFINISHED_COPY]);
    });
  }

  async erase(): Promise<void> {
    const marker = await this.readMarker();
    if (marker === null) return;
    await this.#atOnce(marker, () => {
      for (const { name, where } of COPY_TABLES) this.#db.run(`delete from ${name} where ${where ?? "true"}`);
      this.#db.run("delete from large_args");
      this.#db.run("delete from meta where key = ?", [UNFINISHED_COPY]);
    });
  }

  async close(): Promise<void> {
    this.#db.close(true);
    this.#lock?.release();
  }

  /** Large args are stored in their own table. */
  #split(table: CopyTable, values: readonly Value[]): readonly Value[] {
    if (table.name !== "jobs") return values;
    const at = Object.keys(table.columns).indexOf("args");
    const args = values[at] as Uint8Array;
    if (args.length <= INLINE_ARGS_BYTES) return values;
    this.#db.query("insert into large_args (job_id, args) values (?, ?)").run(values[0]!, args);
    return values.with(at, null);
  }

  #atOnce(marker: CopyMarker, work: () => void): Promise<boolean> {
    return this.#guarded(() => {
      this.#db.run("begin immediate");
      try {
        const isThere = this.#marker() === markerText(marker);
        if (isThere) work();
        this.#db.run("commit");
        return isThere;
      } catch (fault) {
        if (this.#db.inTransaction) this.#db.run("rollback");
        throw fault;
      }
    });
  }

  #marker(): string | null {
    return (this.#all("select value from meta where key = ?", UNFINISHED_COPY)[0]?.[0] ?? null) as string | null;
  }

  #all(sql: string, ...params: readonly Value[]): readonly Row[] {
    return this.#db.query(sql).values(...params) as Row[];
  }

  async #guarded<T>(work: () => T): Promise<T> {
    try {
      return work();
    } catch (fault) {
      throw toStoreError(fault, this.name);
    }
  }
}

function selectSql({ name, columns, key, where }: CopyTable, isLater: boolean): string {
  const list = Object.keys(columns).map((column) => `${EXPRESSIONS[`${name}.${column}`] ?? column} as ${column}`);
  const order = key.join(", ");
  const later = isLater ? `and (${order}) > (${key.map(() => "?").join(", ")})` : "";
  return `select ${list.join(", ")} from ${name} where ${where ?? "true"} ${later} order by ${order} limit ${PAGE_ROWS}`;
}

function insertSql({ name, columns }: CopyTable): string {
  const names = Object.keys(columns);
  return `insert into ${name} (${names.join(", ")}) values (${names.map(() => "?").join(", ")})`;
}

function fromStored(value: Value, kind: ColumnKind): CopyValue {
  if (value === null) return null;
  if (kind === "id") return jobIdText(value as Uint8Array);
  return kind === "flag" ? value === 1 : value;
}

function toStored(value: CopyValue, kind: ColumnKind): Value {
  if (kind === "id" && value !== null) return jobIdBytes(value as string);
  return typeof value === "boolean" ? Number(value) : value;
}

function sizeOf(row: CopyRow): number {
  return row.reduce<number>(
    (sum, value) => sum + (value instanceof Uint8Array || typeof value === "string" ? value.length : 8),
    0,
  );
}
