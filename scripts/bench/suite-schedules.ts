/** Many schedules that all tick at the same moment: how late their jobs are, and what the daemon costs in between. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { Reseolio } from "../../src/sdk/index.ts";
import type { BenchContext } from "./bench-context.ts";
import { processorMs, residentBytes, startDaemon } from "./daemon-process.ts";
import { removeDatabase } from "./scenes.ts";
import { percentile } from "./statistics.ts";

const MEGABYTE = 1024 * 1024;
const IN_FLIGHT = 64;
const FUNCTIONS = 20;
/** After a tick, until all is written. */
const SETTLE_SHARE = 0.2;

/** One round: schedules are made, two ticks pass, and the time between them is watched. */
export async function runScheduleSuite(context: BenchContext): Promise<void> {
  const { recorder, scale, executable, directory } = context;
  const db = join(directory, "schedules.db");
  const daemon = await startDaemon(executable, db);
  try {
    context.progress(`${scale.schedules} schedules`);
    recorder.add("schedules/create", await createSchedules(context, daemon.address));
    const tickMs = scale.tickSeconds * 1_000;
    await untilPast(tickMs, SETTLE_SHARE * tickMs);
    await recordIdle(context, daemon.pid);
    await untilPast(tickMs, SETTLE_SHARE * tickMs);
  } finally {
    await daemon.stop();
  }
  const late = readLateness(db, scale.schedules);
  recorder.add("schedules/late-p50", percentile(late, 0.5));
  recorder.add("schedules/late-p99", percentile(late, 0.99));
  recorder.add("schedules/late-most", percentile(late, 1));
  removeDatabase(db);
}

/** Schedules a second. */
async function createSchedules({ scale }: BenchContext, address: string): Promise<number> {
  const cron = scale.tickSeconds === 60 ? "* * * * *" : `*/${scale.tickSeconds} * * * * *`;
  const client = new Reseolio({ address, autoStart: false, workerConcurrency: 0 });
  await client.start();
  const startedAt = performance.now();
  let next = 0;
  const create = async (): Promise<void> => {
    for (let index = next++; index < scale.schedules; index = next++) {
      await client.createSchedule(`bench:ticks:${index % FUNCTIONS}`, { name: `tick-${index}`, cron });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, create));
  const seconds = (performance.now() - startedAt) / 1_000;
  await client.stop();
  return scale.schedules / seconds;
}

/** Until this long after the next time that all schedules tick. */
async function untilPast(tickMs: number, afterMs: number): Promise<void> {
  const now = Date.now();
  await Bun.sleep(Math.ceil((now + 1) / tickMs) * tickMs + afterMs - now);
}

async function recordIdle({ recorder, scale, progress }: BenchContext, pid: number): Promise<void> {
  progress(`between two ticks for ${scale.betweenTicksMs / 1_000} s`);
  const before = processorMs(pid);
  const startedAt = performance.now();
  await Bun.sleep(scale.betweenTicksMs);
  const after = processorMs(pid);
  if (before === null || after === null) return progress("no /proc: skipping idle processor time");
  recorder.add("schedules/cpu", ((after - before) / (performance.now() - startedAt)) * 100);
  const bytes = residentBytes(pid);
  if (bytes !== null) recorder.add("schedules/rss", bytes / MEGABYTE);
}

/** How late each tick's job was, in milliseconds, of the ticks that all schedules had. */
function readLateness(db: string, schedules: number): readonly number[] {
  using database = new Database(db, { readonly: true });
  const rows = database
    .query("select tick_at, created_at - tick_at from job_ticks join jobs on jobs.id = job_ticks.job_id")
    .values() as [number, number][];
  const byTick = Map.groupBy(rows, ([tickAt]) => tickAt);
  const whole = [...byTick.values()].filter((jobs) => jobs.length === schedules);
  if (whole.length === 0) throw new Error(`no tick enqueued a job of each of the ${schedules} schedules`);
  return whole.flat().map(([, late]) => late);
}
