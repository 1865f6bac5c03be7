import { Database } from "bun:sqlite";
import { copyFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tempDir } from "./temp-dir.ts";

/** A copy of a database as a crash left it, opened by SQLite alone, without a line of Reseolio. */
export interface CrashedDatabase extends AsyncDisposable {
  /** "ok", or what is broken. */
  integrity(): string;
  /** Jobs of one function: first argument to job ids. */
  jobsByArgument(functionName: string): ReadonlyMap<string, readonly string[]>;
  /** Maintained counters and a real count, by function and state, zeros left out. */
  counters(): { readonly maintained: readonly string[]; readonly counted: readonly string[] };
  /** Rows of a query. */
  rows<Row>(sql: string, ...parameters: (string | number | Uint8Array)[]): Row[];
}

/** @param path of a database that no process has open, or that is only read */
export async function openCrashedDatabase(path: string): Promise<CrashedDatabase> {
  await using starting = new AsyncDisposableStack();
  const copy = starting.use(await tempDir("reseolio-copy-")).file("copy.db");
  await copyFile(path, copy);
  for (const suffix of ["-wal", "-journal"]) {
    if (existsSync(`${path}${suffix}`)) await copyFile(`${path}${suffix}`, `${copy}${suffix}`);
  }
  const db = new Database(copy);
  starting.defer(() => db.close());
  const rows = <Row>(sql: string, ...parameters: (string | number | Uint8Array)[]): Row[] =>
    db.query<Row, (string | number | Uint8Array)[]>(sql).all(...parameters);
  const owned = starting.move();
  return {
    rows,
    integrity: () =>
      rows<{ integrity_check: string }>("pragma integrity_check")
        .map((row) => row.integrity_check)
        .join(),
    jobsByArgument: (functionName) => jobsByArgument(rows(JOBS_OF_FUNCTION, functionName)),
    counters: () => ({
      maintained: rows<Count>(MAINTAINED).map(countText),
      counted: rows<Count>(COUNTED).map(countText),
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface StoredJob {
  readonly id: string;
  readonly args: string;
}

const JOBS_OF_FUNCTION = `
  select lower(hex(jobs.id)) as id, cast(args as text) as args
  from jobs join functions on functions.id = jobs.function_id
  where functions.name = ?`;

function jobsByArgument(stored: readonly StoredJob[]): ReadonlyMap<string, readonly string[]> {
  const jobs = new Map<string, string[]>();
  for (const { id, args } of stored) {
    const [argument] = JSON.parse(args) as string[];
    const ids = jobs.get(argument ?? "") ?? [];
    jobs.set(argument ?? "", [...ids, id]);
  }
  return jobs;
}

interface Count {
  readonly name: string;
  readonly state: number;
  readonly count: number;
}

const MAINTAINED = `
  select name, state, count from job_counts join functions on functions.id = function_id
  where count <> 0 order by name, state`;
const COUNTED = `
  select name, state, count(*) as count from jobs join functions on functions.id = function_id
  group by name, state order by name, state`;

function countText({ name, state, count }: Count): string {
  return `${name} ${state} ${count}`;
}
