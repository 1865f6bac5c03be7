/**
 * P11: random programs, killed and given up at random points, and those that were once given something else by a replay,
 * killed at every point. A hundred thousand random ones run in `bun run soak --only replay`.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { type StoreKind, STORES } from "../support/each-store.ts";
import { tempDir } from "../support/temp-dir.ts";
import { KNOWN_KILLED_PROGRAMS, KNOWN_PROGRAMS } from "./known-seeds.ts";
import { type ReplayWorld, startReplayWorld } from "./replay-world.ts";
import { runKilledCopies } from "./run-killed-seeds.ts";
import { describeDifference, runProgram, runSeeds } from "./run-seeds.ts";

const KILLED_COPIES = 60;
const KILLS = 6;
/** 1,000, of which a server takes longer for each. The soak runs a hundred times as many. */
const RANDOM_PROGRAMS = { sqlite: { from: 0, to: 800 }, postgres: { from: 800, to: 1_000 } } as const;
const WIDTH = 60;
/** Deaths fall where chance has them, so that a known program is run often. */
const TRIES = 20;

const only = process.env["RESEOLIO_TEST_STORES"];
for (const store of STORES)
  if (only === undefined || only === store) describe(`on ${store}`, () => declareTests(store));

function declareTests(store: StoreKind): void {
  let starting: Promise<ReplayWorld> | undefined;
  const world = (): Promise<ReplayWorld> => (starting ??= startReplayWorld(store));
  afterAll(async () => (await starting)?.[Symbol.asyncDispose]());

  test("P11: random handlers are given what they were given before, wherever they die", async () => {
    const report = await runSeeds(await world(), RANDOM_PROGRAMS[store], { deaths: "random", width: WIDTH });
    expect(report.differences.map(describeDifference)).toEqual([]);
  }, 240_000);

  for (const { rule, program } of KNOWN_PROGRAMS) {
    test(`P11: ${rule}`, async () => {
      const own = await world();
      const found = await Promise.all(
        Array.from({ length: TRIES }, (_, seed) => runProgram(own, seed, program, "all")),
      );
      expect(found.flatMap((difference) => difference?.report.differences ?? [])).toEqual([]);
    });
  }

  for (const { rule, program } of KNOWN_KILLED_PROGRAMS) {
    test(`P11: ${rule}, whenever its process is killed`, async () => {
      await using dir = await tempDir("reseolio-replay-");
      const found = await runKilledCopies(await world(), program, { directory: dir.path, kills: KILLS }, KILLED_COPIES);
      expect(found.flatMap(({ differences }) => differences)).toEqual([]);
    }, 60_000);
  }
}
