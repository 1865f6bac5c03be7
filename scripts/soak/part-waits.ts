/** A hundred thousand parked jobs cost an idle daemon nothing, and a thousand that become due at once wake in time. */
import { join } from "node:path";
import { Reseolio } from "../../src/sdk/index.ts";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { type BenchDaemon, processorMs, residentBytes, startDaemon } from "../bench/daemon-process.ts";
import { parkJobs } from "./parked-jobs.ts";
import { type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const PARKED = 100_000;
const DUE_AT_ONCE = 1_000;
const IDLE_MS = 20_000;
/** Until the thousand are due, from the start of the daemon that wakes them. */
const AHEAD_MS = 25_000;
const MAX_RESTART_MS = 2_000;
const MAX_IDLE_PERCENT = 1;
const MAX_LATE_MS = 1_000;
const MAX_GROWTH_BYTES = 16 * 1024 * 1024;

/** One verdict a store. */
export async function soakWaits(context: SoakContext): Promise<readonly Verdict[]> {
  await using server = await startPostgres({ settings: ["fsync = on"] });
  return [
    await play(context, "SQLite", join(context.directory, "waits.db")),
    await play(context, "PostgreSQL", server.url("postgres")),
  ];
}

async function play(context: SoakContext, name: string, db: string): Promise<Verdict> {
  await parkJobs(db, PARKED, "soak:never", { name: "wait", kind: "event", eventName: "never", timeoutMs: 1e9 });
  const dueAt = Date.now() + AHEAD_MS + IDLE_MS;
  await parkJobs(db, DUE_AT_ONCE, "soak:due", { name: "until", kind: "sleep", sleepUntil: dueAt });
  context.progress(`waits: ${PARKED + DUE_AT_ONCE} jobs are parked on ${name}`);
  const daemon = await startDaemon(context.executable, db);
  try {
    return await watch(name, daemon, dueAt);
  } finally {
    await daemon.kill();
  }
}

async function watch(name: string, daemon: BenchDaemon, dueAt: number): Promise<Verdict> {
  const restartMs = daemon.readyMs;
  const idle = await watchIdle(daemon, dueAt);
  const lateMs = await watchWaking(daemon, dueAt);
  const faults: string[] = [];
  if (restartMs > MAX_RESTART_MS) faults.push(`it served only ${Math.round(restartMs)} ms after its start`);
  if (idle.percent > MAX_IDLE_PERCENT) faults.push(`idle it took ${idle.percent.toFixed(2)} % of a processor`);
  if (idle.grownBytes > MAX_GROWTH_BYTES) faults.push(`idle its memory grew by ${megabytes(idle.grownBytes)}`);
  if (lateMs.first < 0) faults.push(`the first woke ${-lateMs.first} ms early`);
  if (lateMs.last > MAX_LATE_MS) faults.push(`the last woke ${lateMs.last} ms late`);
  return verdictOf(
    `${PARKED} parked jobs cost nothing, and ${DUE_AT_ONCE} that are due at once wake in time, on ${name}`,
    `served after ${Math.round(restartMs)} ms, idle ${idle.percent.toFixed(2)} % of a processor and ` +
      `${megabytes(idle.bytes)} (${megabytes(idle.grownBytes)} more in ${IDLE_MS / 1000} s), woken and started ` +
      `${lateMs.first} to ${lateMs.last} ms after their time`,
    faults,
  );
}

async function watchIdle(daemon: BenchDaemon, dueAt: number) {
  // What the start left behind is cleared away meanwhile.
  await Bun.sleep(2_000);
  const before = { cpu: processorMs(daemon.pid) ?? 0, bytes: residentBytes(daemon.pid) ?? 0 };
  await Bun.sleep(Math.min(IDLE_MS, dueAt - Date.now() - 3_000));
  const bytes = residentBytes(daemon.pid) ?? 0;
  const percent = (((processorMs(daemon.pid) ?? 0) - before.cpu) / IDLE_MS) * 100;
  return { percent, bytes, grownBytes: bytes - before.bytes };
}

/** Their workers are gone, so each job is replayed and reaches the end of its sleep at once. */
async function watchWaking(
  daemon: BenchDaemon,
  dueAt: number,
): Promise<{ readonly first: number; readonly last: number }> {
  const reseolio = new Reseolio({ address: daemon.address, autoStart: false, workerConcurrency: 100 });
  const times: number[] = [];
  const done = Promise.withResolvers<void>();
  reseolio.durable("soak:due", async () => {
    await reseolio.context().sleepUntil("until", new Date(dueAt));
    if (times.push(Date.now() - dueAt) === DUE_AT_ONCE) done.resolve();
  });
  await reseolio.start();
  await Promise.race([done.promise, Bun.sleep(dueAt - Date.now() + 30_000)]);
  await reseolio.stop();
  if (times.length < DUE_AT_ONCE) throw new Error(`only ${times.length} of ${DUE_AT_ONCE} jobs woke`);
  return { first: Math.min(...times), last: Math.max(...times) };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MB`;
}
