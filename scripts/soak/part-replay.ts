/** P11: random handlers on both stores, killed at random points or at any time, receive the same values again. */
import { describeDeaths } from "../../test/replay/deaths.ts";
import { startReplayWorld } from "../../test/replay/replay-world.ts";
import { runKilledSeeds, shrinkKilled } from "../../test/replay/run-killed-seeds.ts";
import {
  describeDifference,
  type Difference,
  runSeeds,
  type SeedsReport,
  shrinkDifference,
} from "../../test/replay/run-seeds.ts";
import { type StoreKind, STORES } from "../../test/support/each-store.ts";
import { playRounds, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

/** 100,000 seeds. */
const DEFAULT_ROUNDS = 200;
const SEEDS_PER_ROUND = 500;
/** Seeds under way at once. */
const WIDTH = 150;
/** Rounds in which some programs run in worker processes that are killed. */
const KILLS_EVERY = 5;
const KILLED_PROGRAMS = 150;
const KILLS = 12;
/** Number of differences that are shrunk and printed in full; for the others, the seed is enough. */
const SHOWN_WHOLE = 3;

interface Totals {
  seeds: number;
  jobs: number;
  executions: number;
  killed: number;
  readonly faults: string[];
}

/** The verdict after all rounds, half of them on each store. */
export async function soakReplay(context: SoakContext): Promise<Verdict> {
  const totals: Totals = { seeds: 0, jobs: 0, executions: 0, killed: 0, faults: [] };
  // Another range for each seed of the soak; all fit into the 32 bits of a seed.
  const first = (context.options.seed % 20_000) * 100_000;
  const rounds = await playRounds(context, DEFAULT_ROUNDS, async (round) => {
    // `round` counts from 1.
    await playRound(context, STORES[round % STORES.length] ?? "sqlite", first + (round - 1) * SEEDS_PER_ROUND, totals);
    const { seeds, jobs, executions, faults } = totals;
    const found = faults.length === 0 ? "" : `, ${faults.length} FAULTS`;
    if (round % 4 === 0) context.progress(`replay: ${seeds} seeds, ${jobs} jobs, ${executions} executions${found}`);
  });
  const { seeds, jobs, executions, killed, faults } = totals;
  return verdictOf(
    "P11 whatever a handler was given once it is given by every replay",
    `${seeds} seeds from ${first} in ${rounds} rounds: ${jobs} jobs, ${executions} executions, ${killed} programs under kill -9`,
    faults,
  );
}

async function playRound(
  { executable, directory, progress }: SoakContext,
  store: StoreKind,
  from: number,
  totals: Totals,
): Promise<void> {
  await using world = await startReplayWorld(store, { command: [executable] });
  const report = await runSeeds(world, { from, to: from + SEEDS_PER_ROUND }, { deaths: "random", width: WIDTH });
  await add(report, totals, progress, (difference) => shrinkDifference(world, difference));
  if ((from / SEEDS_PER_ROUND) % KILLS_EVERY !== 0) return;
  const killed = await runKilledSeeds(world, { from, to: from + KILLED_PROGRAMS }, { directory, kills: KILLS });
  totals.killed += killed.seeds;
  await add({ ...killed, seeds: 0 }, totals, progress, (difference) => shrinkKilled(world, difference, directory));
}

async function add(
  { seeds, jobs, executions, differences }: SeedsReport,
  totals: Totals,
  progress: SoakContext["progress"],
  shrink: (difference: Difference) => Promise<Difference>,
): Promise<void> {
  totals.seeds += seeds;
  totals.jobs += jobs;
  totals.executions += executions;
  for (const difference of differences) {
    const { seed, store, deaths } = difference;
    const summary = `seed ${seed} on ${store}, ${describeDeaths(deaths)}`;
    // At once: a run takes most of an hour, and shrinking may take minutes.
    progress(`replay: FAULT: ${summary}`);
    const isShown = totals.faults.length < SHOWN_WHOLE;
    totals.faults.push(isShown ? describeDifference(await shrink(difference)) : summary);
  }
}
