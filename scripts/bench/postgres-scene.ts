/**
 * A PostgreSQL server for this run, durable as in production, with databases to start from and baselines to compare
 * with.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { type PostgresServer, startPostgres } from "../../test/support/postgres-server.ts";
import type { BenchContext } from "./bench-context.ts";
import { startDaemon } from "./daemon-process.ts";
import type { Filling } from "./fill-database.ts";

/** What one changes first on a new server; fsync and full_page_writes keep their defaults. */
const SETTINGS = [
  "fsync = on",
  "full_page_writes = on",
  "wal_level = replica",
  "max_wal_senders = 10",
  "max_wal_size = 4GB",
  "shared_buffers = 256MB",
  "max_connections = 120",
  "autovacuum_naptime = 20s",
];

/** Gone with the process that started it. */
export function startBenchServer(): Promise<PostgresServer> {
  return startPostgres({ settings: SETTINGS });
}

/** Makes a database with the daemon's own schema, then fills it. */
export async function makePostgresTemplate(
  context: BenchContext,
  server: PostgresServer,
  name: string,
  fillings: readonly Filling[],
): Promise<void> {
  await onServer(server, "postgres", `create database ${name}`);
  const daemon = await startDaemon(context.executable, server.url(name));
  await daemon.stop();
  if (fillings.length > 0) context.progress(`filling PostgreSQL's ${name}`);
  for (const { functionName, state, count } of fillings) {
    await onServer(server, name, fillSql(functionName, state, count));
  }
  await onServer(server, name, "vacuum analyze");
}

/** A copy of a template to work on; returns its address. */
export async function copyPostgresTemplate(server: PostgresServer, template: string, name: string): Promise<string> {
  await onServer(server, "postgres", `drop database if exists ${name} with (force)`);
  await onServer(server, "postgres", `create database ${name} template ${template} strategy file_copy`);
  await onServer(server, "postgres", "checkpoint");
  return server.url(name);
}

/** Stores jobs as a daemon would have, spread over the day that ends now. */
function fillSql(functionName: string, state: Filling["state"], count: number): string {
  const code = { PENDING: 0, SUCCESS: 3, DEAD: 4, CANCELLED: 5 }[state];
  const error = state === "DEAD" ? `'{"name":"Error","message":"no luck"}'` : "null";
  return `insert into reseolio.functions (name) values ('${functionName}') on conflict do nothing;
    insert into reseolio.jobs (id, function_id, state, list_state, priority, run_at, attempt, lease_token, max_attempts,
      backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, created_at, started_at, finished_at, worker_id, error,
      args, result)
    select (lpad(to_hex(at), 12, '0') || '7' || substr(md5(n || 'a'), 1, 3) || 'a' || substr(md5(n || 'b'), 1, 15))::uuid,
      functions.id, ${code}, ${code}, 0, at, 1, 1, 3, 2, 1000, 60000, 0.1, 30000, at, at + 2, at + 5, 'filled', ${error},
      '["customer-4711",{"amount":129.9,"currency":"EUR","note":"from the filling of the benchmark"}]', 'null'
    from generate_series(1, ${count}) as n
    cross join lateral (select reseolio.now_ms() - 86400000 + n * 86400000::bigint / ${count} as at) as times
    join reseolio.functions on functions.name = '${functionName}';
    insert into reseolio.job_counts (function_id, state, count)
    select id, ${code}, ${count} from reseolio.functions where name = '${functionName}'
    on conflict (function_id, state) do update set count = reseolio.job_counts.count + excluded.count`;
}

/** Milliseconds of processor time of a server and all its processes, including ended ones; null if not reported. */
export function serverProcessorMs({ pid }: PostgresServer): number | null {
  const own = statFields(String(pid));
  if (own === null) return null;
  const children = readdirSync("/proc").flatMap((name) => {
    const fields = /^\d+$/.test(name) ? statFields(name) : null;
    return fields !== null && Number(fields[PARENT]) === pid ? [fields] : [];
  });
  const ticks = children.map((fields) => Number(fields[USER]) + Number(fields[SYSTEM]));
  const ended = Number(own[ENDED_USER]) + Number(own[ENDED_SYSTEM]);
  return [...ticks, ended, Number(own[USER]) + Number(own[SYSTEM])].reduce((sum, each) => sum + each, 0) * TICK_MS;
}

/** Places after the name in brackets. */
const [PARENT, USER, SYSTEM, ENDED_USER, ENDED_SYSTEM] = [1, 11, 12, 13, 14] as const;
/** On every Linux that runs this. */
const TICK_MS = 10;

function statFields(process: string): readonly string[] | null {
  try {
    return readFileSync(`/proc/${process}/stat`, "utf8").split(") ")[1]?.split(" ") ?? null;
  } catch {
    // It ended meanwhile, or this system has no /proc.
    return null;
  }
}

const LONGEST_PGBENCH_S = 16;

/** Whether this machine has pgbench, of Debian's postgresql-contrib. */
export function hasPgbench(): boolean {
  return Bun.which("pgbench") !== null;
}

/**
 * Rows a second that pgbench inserts, each in a commit of its own: a key, three numbers and 100 bytes, without any other
 * index, prepared statements.
 */
export async function pgbench(
  context: BenchContext,
  server: PostgresServer,
  clients: number,
  seconds: number,
): Promise<number> {
  const script = join(context.directory, "insert.sql");
  await Bun.write(
    script,
    `insert into pgbench_rows (function_id, state, run_at, args) values (1, 0, 1, '${"x".repeat(100)}');\n`,
  );
  await onServer(
    server,
    "postgres",
    `create table if not exists pgbench_rows (id uuid primary key default gen_random_uuid(), function_id int not null,
      state int not null, run_at bigint not null, args bytea not null); truncate pgbench_rows`,
  );
  const where = ["-h", "127.0.0.1", "-p", String(server.port), "-U", "postgres"];
  const how = [
    "-n",
    "-M",
    "prepared",
    "-f",
    script,
    "-c",
    String(clients),
    "-j",
    clients > 1 ? "2" : "1",
    "-T",
    String(seconds),
  ];
  const child = spawn("pgbench", [...where, ...how, "postgres"], { stdio: ["ignore", "pipe", "pipe"] });
  const output = await new Response(child.stdout as never).text();
  const rate = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (rate !== undefined) return Number(rate);
  // On a busy machine its connections alone can take longer than a quick run.
  if (seconds < LONGEST_PGBENCH_S) return pgbench(context, server, clients, seconds * 2);
  throw new Error(`pgbench says no rate:\n${output}`);
}

async function onServer(server: PostgresServer, database: string, statements: string): Promise<void> {
  const sql = postgres(server.url(database), { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statements);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
