/**
 * The differential test from the command line; exit code 1 when a seed differs.
 *
 *     bun test/replay/seeds.ts [--seeds FROM..TO] [--store sqlite|postgres] [--deaths all|random|kill]
 *                              [--width N] [--kills N] [--shrink N]
 *
 * `all`: one run for each point at which a program can die; `random`: three runs with several deaths; `kill`: many
 * programs in a process that is killed again and again.
 */
import { parseArgs } from "node:util";
import { STORES } from "../support/each-store.ts";
import { tempDir } from "../support/temp-dir.ts";
import { startReplayWorld } from "./replay-world.ts";
import { runKilledSeeds, shrinkKilled } from "./run-killed-seeds.ts";
import {
  type DeathMode,
  describeDifference,
  runSeeds,
  type SeedRange,
  type SeedsReport,
  shrinkDifference,
} from "./run-seeds.ts";

async function main(words: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seeds: { type: "string", default: "0..1000" },
      store: { type: "string", default: "sqlite" },
      deaths: { type: "string", default: "random" },
      width: { type: "string", default: "100" },
      kills: { type: "string", default: "8" },
      shrink: { type: "string", default: "3" },
    },
  });
  const store = STORES.find((one) => one === values.store);
  if (store === undefined) throw new Error(`--store ${values.store}: there are ${STORES.join(" and ")}`);
  await using world = await startReplayWorld(store);
  const startedAt = performance.now();
  await using dir = await tempDir("reseolio-replay-");
  const range = parseRange(values.seeds);
  const report =
    values.deaths === "kill"
      ? await runKilledSeeds(world, range, { directory: dir.path, kills: Number(values.kills) })
      : await runSeeds(world, range, { deaths: parseDeaths(values.deaths), width: Number(values.width), progress });
  for (const difference of report.differences.slice(0, Number(values.shrink))) {
    const smallest =
      values.deaths === "kill"
        ? await shrinkKilled(world, difference, dir.path)
        : await shrinkDifference(world, difference);
    process.stdout.write(`\n${describeDifference(smallest)}\n`);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { seeds, jobs, executions, differences } = report;
  process.stdout.write(
    `\n${seeds} seeds, ${jobs} jobs, ${executions} executions in ${seconds.toFixed(1)} s on ${store}: ` +
      `${differences.length} seeds differ: ${differences
        .slice(0, 50)
        .map(({ seed }) => seed)
        .join()}\n`,
  );
  return differences.length === 0;
}

function progress({ seeds, differences }: SeedsReport): void {
  const found = differences.map(({ seed }) => seed).join();
  if (seeds % 500 === 0) process.stderr.write(`${seeds} seeds, ${differences.length} differ: ${found}\n`);
}

function parseDeaths(text: string): DeathMode {
  if (text === "all" || text === "random") return text;
  throw new Error(`--deaths ${text}: there are all, random and kill`);
}

/** Throws for anything but `FROM..TO` or one seed. */
function parseRange(text: string): SeedRange {
  const [, from, to] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? [];
  if (from === undefined) throw new Error(`--seeds ${text}: give FROM..TO, such as 0..1000, or one seed`);
  return { from: Number(from), to: to === undefined ? Number(from) + 1 : Number(to) };
}

process.exit((await main(process.argv.slice(2))) ? 0 : 1);
