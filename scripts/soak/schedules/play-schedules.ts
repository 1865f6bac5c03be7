/** A schedule that ticks every second, on daemons whose clocks disagree and the busiest of which is made to fail. */
import { join } from "node:path";
import postgres from "postgres";
import { Reseolio } from "../../../src/sdk/index.ts";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import { freePort } from "../../bench/daemon-process.ts";
import { SupervisedDaemon } from "../chaos/supervised-daemon.ts";

const SECOND = 1_000;
const READY_MS = 30_000;
const SCHEDULE = "every-second";
/** Preloaded into each daemon: it makes its wall clock wrong. */
const SKEW = join(import.meta.dirname, "..", "..", "..", "test", "support", "skewed-clock.ts");

export interface SchedulesPlay {
  readonly command: readonly string[];
  readonly progress: (text: string) => void;
  /** How wrong each daemon's clock is, in milliseconds. */
  readonly skewsMs: readonly number[];
  /** How long the schedule ticks. */
  readonly lengthMs: number;
  readonly faultEveryMs: number;
  /** How long a daemon that is stopped (SIGSTOP) stands still. */
  readonly stopMs: number;
}

export interface SchedulesReport {
  readonly ticks: number;
  readonly kills: number;
  readonly stops: number;
  /** From the tick's time to its job's, on the database's clock. */
  readonly lateMs: { readonly p50: number; readonly p99: number; readonly most: number };
  readonly faults: readonly string[];
}

/** Plays it to its end. Ticks that found no daemon would be left out: the schedule catches up none. */
export async function playSchedules(play: SchedulesPlay): Promise<SchedulesReport> {
  await using server = await startPostgres({ settings: ["max_connections = 100"] });
  const daemons = await startDaemons(play, server.url("postgres"));
  await using _daemons = { [Symbol.asyncDispose]: () => endAll(daemons) };
  const client = new Reseolio({
    address: daemons.map((daemon) => daemon.address).join(","),
    autoStart: false,
    workerConcurrency: 0,
  });
  await client.start();
  await client.createSchedule("soak:schedules:tick", { name: SCHEDULE, cron: "* * * * * *", catchUp: "none" });
  const counts = await failTheBusiest(play, daemons);
  await client.pauseSchedule(SCHEDULE);
  await client.stop();
  const unwanted = daemons.flatMap((daemon) => daemon.unwantedEnds);
  const found = await readTicks(server.url("postgres"));
  return { ...counts, ...judge(found, play.lengthMs, unwanted) };
}

async function startDaemons({ command, skewsMs }: SchedulesPlay, db: string): Promise<readonly SupervisedDaemon[]> {
  const daemons: SupervisedDaemon[] = [];
  for (const skewMs of skewsMs) {
    const env = { BUN_OPTIONS: `--preload ${SKEW}`, TEST_CLOCK_SKEW_MS: String(skewMs) };
    daemons.push(new SupervisedDaemon(command, db, await freePort(), ["--log-format", "json"], env));
  }
  try {
    await Promise.all(daemons.map((daemon) => daemon.ready(READY_MS)));
    return daemons;
  } catch (error) {
    await endAll(daemons);
    throw error;
  }
}

async function endAll(daemons: readonly SupervisedDaemon[]): Promise<void> {
  await Promise.all(daemons.map((daemon) => daemon.end()));
}

/** Alternately kills the busiest daemon, which its supervisor restarts, and stops it for a while. */
async function failTheBusiest(
  { lengthMs, faultEveryMs, stopMs, progress }: SchedulesPlay,
  daemons: readonly SupervisedDaemon[],
): Promise<{ readonly kills: number; readonly stops: number }> {
  const endAt = performance.now() + lengthMs;
  const stopped = new Map<SupervisedDaemon, Promise<void>>();
  const fired = new Map<SupervisedDaemon, number>();
  const counts = { kills: 0, stops: 0 };
  while (performance.now() + faultEveryMs < endAt) {
    await Bun.sleep(faultEveryMs);
    const running = daemons.filter((daemon) => !stopped.has(daemon));
    const busiest = await findBusiest(running, fired);
    if (counts.kills <= counts.stops) {
      progress(`schedules: ${busiest.address} is killed`);
      counts.kills++;
      busiest.kill();
      continue;
    }
    progress(`schedules: ${busiest.address} stands still`);
    counts.stops++;
    const { pid } = busiest;
    process.kill(pid, "SIGSTOP");
    const goOn = Bun.sleep(stopMs).then(() => {
      process.kill(pid, "SIGCONT");
      stopped.delete(busiest);
    });
    stopped.set(busiest, goOn);
  }
  await Bun.sleep(Math.max(0, endAt - performance.now()));
  await Promise.all(stopped.values());
  return counts;
}

/** The daemon that has fired the most ticks since the previous check. */
async function findBusiest(
  daemons: readonly SupervisedDaemon[],
  before: Map<SupervisedDaemon, number>,
): Promise<SupervisedDaemon> {
  const found = await Promise.all(
    daemons.map(async (daemon) => {
      const now = await readFired(daemon);
      const fired = now - (before.get(daemon) ?? 0);
      before.set(daemon, now);
      // One that was started again counts from 0.
      return { daemon, fired: fired < 0 ? now : fired };
    }),
  );
  const [busiest] = found.toSorted((left, right) => right.fired - left.fired);
  if (busiest === undefined) throw new Error("no daemon runs any more");
  return busiest.daemon;
}

async function readFired({ address }: SupervisedDaemon): Promise<number> {
  try {
    const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(SECOND) });
    return Number(/^reseolio_schedule_ticks_total\{outcome="fired"\} (\d+)$/m.exec(await response.text())?.[1] ?? 0);
  } catch {
    return 0;
  }
}

interface TickJob {
  readonly tickAt: number;
  readonly createdAt: number;
}

/** Reads the jobs themselves, not the index that must keep them unique. */
async function readTicks(url: string): Promise<readonly TickJob[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ tick: string; at: string }[]>`
      select headers::json ->> 'reseolio-scheduled-at' as tick, created_at as at from reseolio.jobs`;
    return rows.map(({ tick, at }) => ({ tickAt: Date.parse(tick), createdAt: Number(at) }));
  } finally {
    await sql.end();
  }
}

function judge(
  jobs: readonly TickJob[],
  lengthMs: number,
  unwanted: readonly string[],
): Pick<SchedulesReport, "ticks" | "lateMs" | "faults"> {
  const perTick = Map.groupBy(jobs, ({ tickAt }) => tickAt);
  const times = [...perTick.keys()].sort((left, right) => left - right);
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const iso = (at: number) => new Date(at).toISOString();
  const faults = [...unwanted];
  for (let at = first; at <= last; at += SECOND) {
    const count = perTick.get(at)?.length ?? 0;
    if (count !== 1) faults.push(`the tick of ${iso(at)} has ${count} jobs`);
  }
  for (const at of times) if (at % SECOND !== 0) faults.push(`${iso(at)} is no tick`);
  for (const { tickAt, createdAt } of jobs) if (createdAt < tickAt) faults.push(`${iso(tickAt)} was early`);
  // The schedule was made before the time began to count, and paused after it.
  if (last - first < lengthMs - 2 * SECOND) faults.push(`ticks went from ${iso(first)} to ${iso(last)} only`);
  const late = jobs.map(({ tickAt, createdAt }) => createdAt - tickAt).sort((left, right) => left - right);
  const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? Number.NaN;
  return { ticks: times.length, lateMs: { p50: at(0.5), p99: at(0.99), most: at(1) }, faults };
}
