/** Runs random handlers, without a death and with deaths, and compares what their executions were given. */
import type { StoreKind } from "../support/each-store.ts";
import { randomFrom } from "../support/seeded-random.ts";
import { type Deaths, describeDeaths } from "./deaths.ts";
import { printProgram } from "./print-program.ts";
import { printTrace } from "./print-trace.ts";
import { type Program, programFrom } from "./program.ts";
import { type HandlerMemory, type ReplayWorld, type RunReport } from "./replay-world.ts";
import { shrink } from "./shrink.ts";

/** `all`: one run for each point at which the program can die; `random`: a few runs with several deaths. */
export type DeathMode = "all" | "random";

export interface SeedRange {
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

export interface RunOptions {
  /** [as the seed makes it] */
  readonly programOf?: (seed: number) => Program;
  readonly deaths: DeathMode;
  /** Seeds under way at once. */
  readonly width: number;
  /** Told after each seed. */
  readonly progress?: (report: SeedsReport) => void;
}

export interface SeedsReport {
  seeds: number;
  jobs: number;
  executions: number;
  readonly differences: Difference[];
}

/** A run in which an execution was given something else than the one before. */
export interface Difference {
  readonly seed: number;
  readonly store: StoreKind;
  readonly program: Program;
  readonly deaths: Deaths;
  readonly memory: HandlerMemory;
  readonly report: RunReport;
}

/** Of each seed only the first difference is kept. */
export async function runSeeds(world: ReplayWorld, { from, to }: SeedRange, options: RunOptions): Promise<SeedsReport> {
  const report: SeedsReport = { seeds: 0, jobs: 0, executions: 0, differences: [] };
  let next = from;
  const lane = async (): Promise<void> => {
    while (next < to) {
      const seed = next++;
      const program = (options.programOf ?? programFrom)(seed);
      const found = await runProgram(world, seed, program, options.deaths, report);
      report.seeds++;
      if (found !== null) report.differences.push(found);
      options.progress?.(report);
    }
  };
  await Promise.all(Array.from({ length: options.width }, lane));
  return report;
}

/** @returns its first difference */
export async function runSeed(
  world: ReplayWorld,
  seed: number,
  mode: DeathMode,
  counts: Pick<SeedsReport, "jobs" | "executions"> = { jobs: 0, executions: 0 },
): Promise<Difference | null> {
  return runProgram(world, seed, programFrom(seed), mode, counts);
}

/** As `runSeed`, of a program that is known. @param seed of the deaths */
export async function runProgram(
  world: ReplayWorld,
  seed: number,
  program: Program,
  mode: DeathMode,
  counts: Pick<SeedsReport, "jobs" | "executions"> = { jobs: 0, executions: 0 },
): Promise<Difference | null> {
  const play = async (deaths: Deaths, memory: HandlerMemory): Promise<Difference | RunReport> => {
    const report = await world.run(program, deaths, memory);
    counts.jobs++;
    counts.executions += report.trace.executions.length;
    if (report.differences.length === 0) return report;
    return { seed, store: world.store, program, deaths, memory, report };
  };
  const plans = [...(mode === "all" ? await onePerPoint(play) : []), ...severalDeaths(seed)];
  for (const [deaths, memory] of plans) {
    const found = await play(deaths, memory);
    if ("seed" in found) return found;
  }
  return null;
}

type Plan = readonly [Deaths, HandlerMemory];

async function onePerPoint(play: (...plan: Plan) => Promise<Difference | RunReport>): Promise<readonly Plan[]> {
  const first = await play({ kind: "none" }, "kept");
  const points = "seed" in first ? first.report.points : first.points;
  return [
    [{ kind: "none" }, "kept"],
    ...points.map((point): Plan => [{ kind: "at", point }, "kept"]),
    [{ kind: "none" }, "given up"],
  ];
}

function severalDeaths(seed: number): readonly Plan[] {
  const chance = randomFrom(seed);
  const some = (share: number): Deaths => ({ kind: "some", seed: chance.between(0, 2 ** 30), share });
  return [
    [{ kind: "each" }, "kept"],
    [some(0.3), "kept"],
    [some(0.15), "given up"],
  ];
}

/** Everything that is needed to understand it. */
export function describeDifference({ seed, store, deaths, memory, report, program }: Difference): string {
  return [
    `seed ${seed} on ${store}, handlers that wait are ${memory}, ${describeDeaths(deaths)}:`,
    ...report.differences.slice(0, 5),
    printProgram(program),
    printTrace(report.trace),
  ].join("\n");
}

/** A difference of a smaller program. Chance has its part in it: each candidate is tried a few times. */
export async function shrinkDifference(world: ReplayWorld, difference: Difference): Promise<Difference> {
  const { memory, seed } = difference;
  const plans: readonly Plan[] = [
    [difference.deaths, memory],
    [{ kind: "each" }, memory],
    [{ kind: "some", seed, share: 0.4 }, memory],
  ];
  let smallest = difference;
  await shrink(difference.program, async (program) => {
    const reports = await Promise.all(
      plans
        .flatMap((plan) => [plan, plan])
        .map(async ([deaths]) => ({ deaths, report: await world.run(program, deaths, memory) })),
    );
    const found = reports.find(({ report }) => report.differences.length > 0 && !isStill(report));
    if (found !== undefined) smallest = { ...difference, program, ...found };
    return found !== undefined;
  });
  return smallest;
}

/** A job that stands still takes its whole time, and one fault must not become another. */
function isStill({ end }: RunReport): boolean {
  return end.status.startsWith("still");
}
