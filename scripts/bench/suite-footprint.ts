/** What the daemon costs: lists on a full database, idle processor time, start-up, memory and disk. */
import { join } from "node:path";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { BenchContext } from "./bench-context.ts";
import { startChild } from "./child-process.ts";
import type { ListFilter } from "./child-protocol.ts";
import { databaseBytes, processorMs, residentBytes, startDaemon } from "./daemon-process.ts";
import { filledFunction, finishedFillings, makeTemplate, RARE_FUNCTION, removeDatabase } from "./scenes.ts";
import { measureGrowth, type MemorySample, watchMemory } from "./watch-memory.ts";

const MEGABYTE = 1024 * 1024;
const SETTLE_MS = 2_000;

const LISTS: Readonly<Record<string, ListFilter>> = {
  all: {},
  state: { states: [JobState.SUCCESS] },
  function: { functionNames: [filledFunction(7)] },
  "function-state": { functionNames: [filledFunction(7)], states: [JobState.SUCCESS] },
  rare: { states: [JobState.DEAD] },
  none: { states: [JobState.SUSPENDED] },
  "rare-function": { functionNames: [RARE_FUNCTION], states: [JobState.DEAD, JobState.CANCELLED] },
  window: { hourEndingMsAgo: 6 * 60 * 60 * 1000 },
};

/** First pages of lists, from a daemon with a million finished jobs. */
export async function runListSuite(context: BenchContext): Promise<void> {
  const { recorder, scale } = context;
  const db = await makeTemplate(context, "lists", finishedFillings(scale.rows));
  const daemon = await startDaemon(context.executable, db);
  const client = startChild(context.bun);
  try {
    await client.connect(daemon.address, 0);
    for (let round = 1; round <= context.options.rounds; round++) {
      context.progress(`lists, round ${round} of ${context.options.rounds}`);
      for (const [name, filter] of Object.entries(LISTS)) {
        const timing = await client.time({ op: "list", filter, count: scale.lists });
        recorder.add(`lists/${name}/p50`, timing.p50Ms);
      }
    }
  } finally {
    await client.stop();
    await daemon.stop();
    removeDatabase(db);
  }
}

/** A daemon with nothing to do but to keep 100,000 jobs for later. */
export async function runDelayedSuite(context: BenchContext): Promise<void> {
  const { recorder, scale, directory } = context;
  const filling = { functionName: "filled:later:work", state: "PENDING", count: scale.delayedJobs, delayMs: 60_000 };
  const db = await makeTemplate(context, "delayed", [{ ...filling, state: "PENDING" }]);
  const daemon = await startDaemon(context.executable, db);
  try {
    context.progress(`${scale.delayedJobs} delayed jobs, idle for ${scale.idleMs / 1000} s`);
    await Bun.sleep(SETTLE_MS);
    const before = processorMs(daemon.pid);
    const startedAt = performance.now();
    await Bun.sleep(scale.idleMs);
    const after = processorMs(daemon.pid);
    if (before === null || after === null) return context.progress("no /proc: skipping idle processor time");
    recorder.add("delayed/cpu", ((after - before) / (performance.now() - startedAt)) * 100);
    recordMemory(context, "delayed/rss", daemon.pid);
  } finally {
    await daemon.stop();
    removeDatabase(join(directory, "delayed.template.db"));
  }
}

/** How long the daemon takes to be ready, what it holds idle, how fast a command answers. */
export async function runStartSuite(context: BenchContext): Promise<void> {
  const { recorder, scale, executable, directory } = context;
  context.progress("starts");
  const db = join(directory, "start.db");
  for (let start = 1; start <= scale.starts; start++) {
    const daemon = await startDaemon(executable, db);
    recorder.add("start/ready", daemon.readyMs);
    if (start === scale.starts) {
      await Bun.sleep(SETTLE_MS);
      recordMemory(context, "idle/rss", daemon.pid);
    }
    await daemon.stop();
    const startedAt = performance.now();
    const { exitCode } = Bun.spawnSync([executable, "version"]);
    if (exitCode !== 0) throw new Error(`reseolio version ended with exit code ${exitCode}`);
    recorder.add("start/version", performance.now() - startedAt);
  }
  removeDatabase(db);
}

/** Jobs are enqueued and run without a pause while the daemon's memory is watched. */
export async function runMemorySuite(context: BenchContext): Promise<void> {
  const { recorder, scale } = context;
  const db = join(context.directory, "memory.db");
  const watched = await watchMemory(context.executable, db, scale.memoryEnd, context.progress);
  recorder.add("memory/rate", watched.jobsPerSecond);
  recorder.add("disk/job", databaseBytes(db) / scale.memoryEnd);
  recordGrowth(context, watched.samples);
  removeDatabase(db);
}

function recordGrowth({ recorder, scale }: BenchContext, samples: readonly MemorySample[]): void {
  const growth = measureGrowth(samples, scale.memoryPlateau);
  if (growth === null) return;
  recorder.add("memory/plateau", growth.plateauMegabytes);
  recorder.add("memory/end", growth.endMegabytes);
  recorder.add("memory/slope", growth.slopePerJob * scale.memoryPlateau);
}

function recordMemory({ recorder }: BenchContext, key: string, pid: number): void {
  const bytes = residentBytes(pid);
  if (bytes !== null) recorder.add(key, bytes / MEGABYTE);
}
