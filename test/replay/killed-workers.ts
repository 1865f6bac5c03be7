/** Many programs at once in a worker process that is killed with SIGKILL, again and again: deaths fall anywhere. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Reseolio } from "../../src/sdk/index.ts";
import type { ReplayWorkerSettings } from "../e2e/fixtures/replay-worker.ts";
import { type FixtureProcess, spawnFixture } from "../support/fixture-process.ts";
import type { Random } from "../support/seeded-random.ts";
import { findDifferences, type JobEnd } from "./oracle.ts";
import { endOf, optionsOf } from "./program-jobs.ts";
import type { Program } from "./program.ts";
import type { RunReport } from "./replay-world.ts";
import { sendSignals } from "./signals.ts";
import { TraceFile } from "./trace-file.ts";

export interface KilledOptions {
  readonly address: string;
  /** Where the traces are written for the time of the run. */
  readonly directory: string;
  readonly random: Random;
  readonly kills: number;
  /** How long a process lives once it is connected. */
  readonly lifeMs: readonly [number, number];
}

const CONCURRENCY = 500;
const MANY = 1_000_000;
let count = 0;

/** One report for each program, in their order. */
export async function runKilled(programs: readonly Program[], options: KilledOptions): Promise<readonly RunReport[]> {
  const { address, directory } = options;
  const name = `killed-${++count}`;
  const functionName = `replay:${name}:flow`;
  const file = join(directory, `${name}.jsonl`);
  const client = new Reseolio({ address, autoStart: false, workerConcurrency: 0, logger: QUIET });
  await client.start();
  try {
    const ends = programs.map(async (program, index) => {
      const job = await client.enqueue(functionName, [String(index), program], optionsOf(program));
      void sendSignals(job, program);
      return endOf(job, LATEST_MS);
    });
    await runUnderKills(
      { address, functionName, file, concurrency: CONCURRENCY, maxParkedHandlers: MANY },
      options,
      ends,
    );
    return judge(programs, await Promise.all(ends), new TraceFile(file));
  } finally {
    await client.stop();
    rmSync(file, { force: true });
  }
}

/** Kills and all; nothing of it takes as long as that. */
const LATEST_MS = 120_000;

async function runUnderKills(
  settings: ReplayWorkerSettings,
  { random, kills, lifeMs: [shortest, longest] }: KilledOptions,
  ends: readonly Promise<JobEnd>[],
): Promise<void> {
  let isOver = false;
  const over = Promise.allSettled(ends).then(() => (isOver = true));
  for (let kill = 0; kill < kills && !isOver; kill++) {
    // Every other process gives up the memory of handlers that wait, so that they are replayed while it lives.
    await using worker = await startWorker({ ...settings, maxParkedHandlers: kill % 2 === 0 ? MANY : 0 });
    await Promise.race([over, Bun.sleep(random.between(shortest, longest))]);
    await worker.kill();
  }
  await using last = await startWorker(settings);
  await over;
  await last.kill();
}

async function startWorker(settings: ReplayWorkerSettings): Promise<FixtureProcess> {
  const worker = spawnFixture("replay-worker", { settings });
  await worker.line("ready");
  return worker;
}

function judge(programs: readonly Program[], ends: readonly JobEnd[], { traces }: TraceFile): readonly RunReport[] {
  return programs.flatMap((program, index) => {
    const trace = traces.get(String(index));
    const end = ends[index];
    if (end === undefined) return [];
    if (trace === undefined) throw new Error(`program ${index} was never run; its job is ${end.status}`);
    return [{ trace, end, differences: findDifferences({ program, trace, end, wasKilled: true }), points: [] }];
  });
}

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
