import postgres from "postgres";

/** A wait for an event as the database keeps it, with the event if it has happened. Times are the database's. */
export interface StoredWait {
  readonly eventName: string;
  readonly jobId: string;
  /** Null when it waits for ever. */
  readonly dueAt: number | null;
  /** Null while it waits. */
  readonly endedAt: number | null;
  readonly timedOut: boolean;
  /** The payload that the job got. */
  readonly told: string | null;
  readonly emittedAt: number | null;
  /** The payload that is stored. */
  readonly payload: string | null;
}

/** All of them, without a line of the daemon. */
export async function readWaits(url: string): Promise<readonly StoredWait[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<Record<string, string | boolean | null>[]>`
      select wait.event_name, wait.job_id::text as job_id, wait.due_at, wait.recorded_at, wait.timed_out,
        convert_from(wait.value, 'UTF8') as told, event.emitted_at, convert_from(event.payload, 'UTF8') as payload
      from reseolio.checkpoints as wait left join reseolio.events as event on event.name = wait.event_name
      where wait.kind = 2`;
    return rows.map((row) => ({
      eventName: String(row["event_name"]),
      jobId: String(row["job_id"]),
      dueAt: numberOrNull(row["due_at"]),
      endedAt: numberOrNull(row["recorded_at"]),
      timedOut: row["timed_out"] === true,
      told: jsonOrNull(row["told"]),
      emittedAt: numberOrNull(row["emitted_at"]),
      payload: jsonOrNull(row["payload"]),
    }));
  } finally {
    await sql.end();
  }
}

function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function jsonOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? String(JSON.parse(value)) : null;
}
