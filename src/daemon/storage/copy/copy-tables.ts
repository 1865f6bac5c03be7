/**
 * What a copy from one store to another carries: the tables with their columns, named once for both stores. Adding a
 * table is an entry here; the two stores read and write it by the kinds of its columns.
 */

/**
 * - `id`: 16 bytes in SQLite, uuid in PostgreSQL
 * - `flag`: 0 and 1 in SQLite, boolean in PostgreSQL
 * - `integer`, `real`, `text`, `bytes`: alike in both, of any width
 */
export type ColumnKind = "id" | "integer" | "real" | "text" | "bytes" | "flag";

export interface CopyTable {
  readonly name: string;
  /** Unique and never null; a copy goes by its order. */
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** Which rows belong to a copy, in SQL of both stores; all when absent. */
  readonly where?: string;
}

/** A row as both stores read it: ids as lower-case text, flags as booleans. In the order of the table's columns. */
export type CopyRow = readonly CopyValue[];
export type CopyValue = string | number | boolean | Uint8Array | null;
/** The values of a row's key. */
export type CopyKey = readonly (string | number)[];

/** In the order in which they are copied. Counters are not copied; the target recounts them. */
export const COPY_TABLES: readonly CopyTable[] = [
  {
    name: "meta",
    key: ["key"],
    columns: { key: "text", value: "text" },
    // The rest is about the database itself.
    where: "key in ('id_time_skew_ms', 'ordered_since')",
  },
  { name: "functions", key: ["id"], columns: { id: "integer", name: "text" } },
  {
    name: "jobs",
    key: ["id"],
    columns: {
      id: "id",
      function_id: "integer",
      state: "integer",
      list_state: "integer",
      is_ready: "flag",
      priority: "integer",
      run_at: "integer",
      deadline_at: "integer",
      lease_token: "integer",
      attempt: "integer",
      failures: "integer",
      losses: "integer",
      max_attempts: "integer",
      backoff: "integer",
      initial_delay_ms: "integer",
      max_delay_ms: "integer",
      jitter: "real",
      timeout_ms: "integer",
      created_at: "integer",
      started_at: "integer",
      finished_at: "integer",
      start_by: "integer",
      finish_by: "integer",
      parent_id: "id",
      worker_id: "text",
      idempotency_key: "text",
      error: "text",
      headers: "text",
      args: "bytes",
      result: "bytes",
      ran_ms: "integer",
    },
  },
  {
    name: "attempts",
    key: ["job_id", "attempt"],
    columns: {
      job_id: "id",
      attempt: "integer",
      outcome: "integer",
      worker_id: "text",
      started_at: "integer",
      ended_at: "integer",
      error: "text",
    },
  },
  {
    name: "schedules",
    key: ["id"],
    columns: {
      id: "id",
      name: "text",
      state: "integer",
      next_run_at: "integer",
      last_run_at: "integer",
      last_job_id: "id",
      live_from: "integer",
      skipped: "integer",
      created_at: "integer",
      updated_at: "integer",
      function_name: "text",
      cron: "text",
      time_zone: "text",
      catch_up: "integer",
      max_catch_up: "integer",
      overlap: "integer",
      jitter_ms: "integer",
      start_at: "integer",
      end_at: "integer",
      options: "text",
      args: "bytes",
    },
  },
  {
    name: "job_ticks",
    key: ["job_id"],
    columns: { job_id: "id", schedule_id: "id", tick_at: "integer" },
  },
  {
    name: "checkpoints",
    key: ["job_id", "name"],
    columns: {
      job_id: "id",
      name: "text",
      kind: "integer",
      place: "integer",
      wakes: "flag",
      recorded_at: "integer",
      lease_token: "integer",
      due_at: "integer",
      is_length: "flag",
      event_name: "text",
      awaited_id: "id",
      timed_out: "flag",
      failures: "integer",
      error: "text",
      value: "bytes",
      gate: "integer",
      op: "integer",
    },
  },
  {
    name: "events",
    key: ["name"],
    columns: {
      name: "text",
      emitted_at: "integer",
      is_spreading: "flag",
      payload: "bytes",
      latest_at: "integer",
      latest_payload: "bytes",
    },
  },
  {
    name: "signals",
    key: ["id"],
    columns: {
      id: "id",
      job_id: "id",
      place: "integer",
      name: "text",
      sent_at: "integer",
      was_awaited: "flag",
      taken_by: "text",
      payload: "bytes",
    },
  },
  {
    name: "wait_details",
    key: ["job_id", "name"],
    columns: { job_id: "id", name: "text", signal_name: "text", turn: "integer", since_start: "flag" },
  },
  {
    // With their leases: a worker that finds the new daemon continues its jobs, as after a restart.
    name: "workers",
    key: ["worker_id"],
    columns: {
      worker_id: "text",
      node_id: "text",
      host: "text",
      host_id: "text",
      pid: "integer",
      process_start: "text",
      function_names: "text",
      concurrency: "integer",
      client: "text",
      connected_at: "integer",
      lease_expires_at: "integer",
    },
  },
];

/** Where `meta` says since when records have an order; absent in a database that always had one. */
export const ORDERED_SINCE = "ordered_since";

/** Where `meta` says that a database is the target of a copy that is not finished; no daemon opens it until then. */
export const UNFINISHED_COPY = "unfinished_copy";

/** The values of a row's key. */
export function keyOf(table: CopyTable, row: CopyRow): CopyKey {
  const names = Object.keys(table.columns);
  return table.key.map((column) => row[names.indexOf(column)] as string | number);
}
