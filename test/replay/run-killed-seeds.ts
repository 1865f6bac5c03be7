/** Programs of seeds under kill -9, and the ones that differ made smaller. */
import { randomFrom } from "../support/seeded-random.ts";
import { runKilled } from "./killed-workers.ts";
import { type Program, programFrom } from "./program.ts";
import type { ReplayWorld, RunReport } from "./replay-world.ts";
import type { Difference, SeedRange, SeedsReport } from "./run-seeds.ts";
import { shrink } from "./shrink.ts";

export interface KillOptions {
  /** [as the seed makes it] */
  readonly programOf?: (seed: number) => Program;
  /** For traces, while it runs. */
  readonly directory: string;
  /** Of each batch of programs. */
  readonly kills: number;
}

/** They share a process, and its deaths. */
const BATCH = 150;
const LIFE_MS = [20, 250] as const;
/** Each candidate is run as often under the same kills: where deaths fall is chance. */
const COPIES = 24;
const SHRINK_KILLS = 6;
const SHRINK_BUDGET = 40;

export async function runKilledSeeds(
  world: ReplayWorld,
  { from, to }: SeedRange,
  options: KillOptions,
): Promise<SeedsReport> {
  const report: SeedsReport = { seeds: 0, jobs: 0, executions: 0, differences: [] };
  for (let first = from; first < to; first += BATCH) {
    const programs = Array.from({ length: Math.min(BATCH, to - first) }, (_, index) =>
      (options.programOf ?? programFrom)(first + index),
    );
    const reports = await underKills(world, programs, first, options);
    report.seeds += reports.length;
    report.jobs += reports.length;
    for (const [index, one] of reports.entries()) {
      report.executions += one.trace.executions.length;
      const program = programs[index];
      if (one.differences.length === 0 || program === undefined) continue;
      report.differences.push({ ...killed(world, first + index, program), report: one });
    }
  }
  return report;
}

/** Copies of one program under the same kills. @returns the reports of those that differ */
export async function runKilledCopies(
  world: ReplayWorld,
  program: Program,
  options: KillOptions,
  copies = COPIES,
): Promise<readonly RunReport[]> {
  const programs = Array.from({ length: copies }, () => program);
  const reports = await underKills(world, programs, copies, options);
  return reports.filter(({ differences }) => differences.length > 0);
}

export async function shrinkKilled(world: ReplayWorld, difference: Difference, directory: string): Promise<Difference> {
  let smallest = difference;
  const differs = async (program: Program): Promise<boolean> => {
    const [report] = await runKilledCopies(world, program, { directory, kills: SHRINK_KILLS });
    if (report !== undefined) smallest = { ...difference, program, report };
    return report !== undefined;
  };
  await shrink(difference.program, differs, SHRINK_BUDGET);
  return smallest;
}

function underKills(
  { address }: ReplayWorld,
  programs: readonly Program[],
  seed: number,
  { directory, kills }: KillOptions,
): Promise<readonly RunReport[]> {
  return runKilled(programs, { address, directory, random: randomFrom(seed), kills, lifeMs: LIFE_MS });
}

function killed({ store }: ReplayWorld, seed: number, program: Program): Omit<Difference, "report"> {
  return { seed, store, program, deaths: { kind: "kill -9" }, memory: "kept" };
}
