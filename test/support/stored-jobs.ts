import postgres from "postgres";
import { openCrashedDatabase } from "./crashed-database.ts";

/** What a store holds, read without a line of Reseolio: by SQLite from a copy of the file, or by a PostgreSQL client. */
export interface StoredJobs extends AsyncDisposable {
  /** "ok", or what is broken: pages, indexes, references. */
  integrity(): Promise<string>;
  /** Jobs of one function: first argument to job ids, without dashes. */
  jobsByArgument(functionName: string): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Maintained counters and a real count, by function and state, zeros left out. */
  counters(): Promise<{ readonly maintained: readonly string[]; readonly counted: readonly string[] }>;
}

/** @param db as given to `--db`; nobody may write an SQLite file while it is copied */
export async function openStoredJobs(db: string): Promise<StoredJobs> {
  const database = await (db.startsWith("postgres") ? openServerDatabase(db) : openFile(db));
  return {
    integrity: () => database.integrity(),
    jobsByArgument: async (functionName) => byArgument(await database.jobs(functionName)),
    counters: async () => ({
      maintained: (await database.maintained()).map(countText),
      counted: (await database.counted()).map(countText),
    }),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

interface JobRow {
  readonly id: string;
  readonly args: string;
}

interface CountRow {
  readonly name: string;
  readonly state: number;
  readonly count: number;
}

interface OpenedDatabase {
  integrity(): Promise<string>;
  jobs(functionName: string): Promise<readonly JobRow[]>;
  maintained(): Promise<readonly CountRow[]>;
  counted(): Promise<readonly CountRow[]>;
  close(): Promise<void>;
}

async function openFile(path: string): Promise<OpenedDatabase> {
  const database = await openCrashedDatabase(path);
  return {
    integrity: async () => database.integrity(),
    jobs: async (functionName) =>
      database.rows(
        `select lower(hex(jobs.id)) as id, cast(args as text) as args
         from jobs join functions on functions.id = jobs.function_id where functions.name = ?`,
        functionName,
      ),
    maintained: async () =>
      database.rows(
        `select name, state, count from job_counts join functions on functions.id = function_id
         where count <> 0 order by name, state`,
      ),
    counted: async () => database.rows(COUNTED),
    close: async () => database[Symbol.asyncDispose](),
  };
}

/** The query planner's settings are the server's own here: what an index hides, a scan finds. */
async function openServerDatabase(url: string): Promise<OpenedDatabase> {
  const sql = postgres(withoutSchema(url), {
    max: 1,
    onnotice: () => {},
    connection: { search_path: schemaOf(url) },
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  });
  return {
    integrity: () => checkIndexes(sql, schemaOf(url)),
    jobs: async (functionName) => sql<JobRow[]>`
      select replace(jobs.id::text, '-', '') as id, convert_from(args, 'UTF8') as args
      from jobs join functions on functions.id = jobs.function_id where functions.name = ${functionName}`,
    maintained: async () => sql<CountRow[]>`
      select name, state, sum(count)::bigint as count
      from (select function_id, state, count from job_counts
            union all select function_id, state, delta from job_count_deltas) kept
      join functions on functions.id = function_id
      group by name, state having sum(count) <> 0 order by name collate "C", state`,
    counted: async () => sql.unsafe<CountRow[]>(COUNTED),
    close: () => sql.end({ timeout: 1 }),
  };
}

const COUNTED = `
  select name, state, count(*) as count from jobs join functions on functions.id = jobs.function_id
  group by name, state order by name, state`;

/** PostgreSQL's own check that every row of a table is in its indexes, in order, and that no page is damaged. */
async function checkIndexes(sql: postgres.Sql, schema: string): Promise<string> {
  await sql`create extension if not exists amcheck schema public`;
  try {
    await sql`
      select public.bt_index_parent_check(indexes.oid, true)
      from pg_class indexes join pg_index on indexrelid = indexes.oid
      where relkind = 'i' and relnamespace = ${schema}::regnamespace and indisvalid`;
    const damaged = await sql<{ msg: string }[]>`
      select msg from pg_class tables, lateral public.verify_heapam(tables.oid)
      where relkind = 'r' and relnamespace = ${schema}::regnamespace`;
    return damaged.length === 0 ? "ok" : damaged.map((row) => row.msg).join();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function schemaOf(url: string): string {
  return new URL(url).searchParams.get("schema") ?? "reseolio";
}

function withoutSchema(given: string): string {
  const url = new URL(given);
  url.searchParams.delete("schema");
  return url.toString();
}

function byArgument(stored: readonly JobRow[]): ReadonlyMap<string, readonly string[]> {
  const jobs = new Map<string, string[]>();
  for (const { id, args } of stored) {
    const [argument] = JSON.parse(args) as string[];
    const ids = jobs.get(argument ?? "") ?? [];
    jobs.set(argument ?? "", [...ids, id]);
  }
  return jobs;
}

function countText({ name, state, count }: CountRow): string {
  return `${name} ${state} ${count}`;
}
