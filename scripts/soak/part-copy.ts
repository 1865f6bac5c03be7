/** `db copy` at length: 100,000 jobs of every kind go to PostgreSQL and back, and the copies are killed -9 on their way. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import postgres from "postgres";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import { fillMixed } from "../../test/support/mixed-jobs.ts";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { randomFrom } from "../../test/support/seeded-random.ts";
import { type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const TITLE = "a copy from SQLite to PostgreSQL and back is equal, however often it is killed";
const JOBS = 100_000;
const FIRST_KILL_MS = 500;
/** Later and later, so that the last one is let through. */
const LATER = 1.5;

interface Table {
  readonly table: string;
  readonly rows: number;
  readonly digest: string;
}

/** The verdict after both ways. */
export async function soakCopy(context: SoakContext): Promise<Verdict> {
  await using server = await startPostgres({ settings: ["fsync = on", "full_page_writes = on"] });
  const [from, middle, to] = [
    join(context.directory, "copy-from.db"),
    server.url("postgres"),
    join(context.directory, "copy-to.db"),
  ];
  await fill(from, context.options.seed);
  context.progress(`copy: ${JOBS} jobs are there`);
  const there = await copyThroughKills(context, from, middle);
  await endLeases(middle);
  const back = await copyThroughKills(context, middle, to);
  const faults = [
    ...compare(there.tables, back.tables),
    ...(await check(context, middle)),
    ...(await check(context, to)),
  ];
  const rows = there.tables.reduce((sum, table) => sum + table.rows, 0);
  const kills = there.kills + back.kills;
  if (kills === 0) faults.push("no copy was killed: nothing was shown of going on");
  return verdictOf(
    TITLE,
    `${rows} rows twice, ${kills} kills, ${Math.round(there.lastMs + back.lastMs)} ms in the last runs`,
    faults,
  );
}

async function fill(path: string, seed: number): Promise<void> {
  const { store } = await openStore(path, { clock: { now: () => Date.now(), monotonic: () => performance.now() } });
  await fillMixed(store, Date.now(), JOBS, randomFrom(seed));
  await store.close();
}

/** Leases are copied as they are, and would make the copy a database in use. */
async function endLeases(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  await sql`update reseolio.workers set lease_expires_at = 0`;
  await sql.end();
}

async function copyThroughKills(context: SoakContext, from: string, to: string) {
  for (let kills = 0; ; kills++) {
    const startedAt = performance.now();
    const child = spawn(context.executable, ["db", "copy", from, to, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk));
    const patience = context.random.between(FIRST_KILL_MS / 2, FIRST_KILL_MS) * LATER ** kills;
    const timer = setTimeout(() => child.kill("SIGKILL"), patience);
    const [exitCode] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    const text = Buffer.concat(output).toString();
    if (exitCode === 0) {
      const { tables } = JSON.parse(text) as { readonly tables: readonly Table[] };
      return { kills, tables, lastMs: performance.now() - startedAt };
    }
    if (exitCode !== null) throw new Error(`db copy ended with ${exitCode}: ${text}`);
    context.progress(`copy: killed after ${Math.round(patience)} ms`);
  }
}

function compare(there: readonly Table[], back: readonly Table[]): string[] {
  return there
    .filter(({ table }) => table !== "workers")
    .filter((one) => !back.some((other) => other.table === one.table && other.digest === one.digest))
    .map(({ table, rows }) => `${table}: what came back is not what ${rows} rows were`);
}

async function check(context: SoakContext, url: string): Promise<readonly string[]> {
  const child = spawn(context.executable, ["db", "check", "--db", url], { stdio: ["ignore", "pipe", "pipe"] });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk));
  const [exitCode] = (await once(child, "close")) as [number | null];
  return exitCode === 0 ? [] : [Buffer.concat(output).toString()];
}
