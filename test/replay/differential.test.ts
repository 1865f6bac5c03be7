/**
 * P11: programs that were once given something else by a replay, each of them killed at every point. Random programs run
 * in `bun run soak --only replay` and by `test/replay/seeds.ts`: about one in two hundred still differs, most of them
 * with races, and they come here when they hold.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { STORES, type StoreKind } from "../support/each-store.ts";
import { tempDir } from "../support/temp-dir.ts";
import { KNOWN_KILLED_PROGRAMS, KNOWN_PROGRAMS } from "./known-seeds.ts";
import { type ReplayWorld, startReplayWorld } from "./replay-world.ts";
import { runKilledCopies } from "./run-killed-seeds.ts";
import { runProgram } from "./run-seeds.ts";

const KILLED_COPIES = 60;
const KILLS = 6;
/** Deaths fall where chance has them, so that a known program is run often. */
const TRIES = 20;

const only = process.env["RESEOLIO_TEST_STORES"];
for (const store of STORES)
  if (only === undefined || only === store) describe(`on ${store}`, () => declareTests(store));

function declareTests(store: StoreKind): void {
  let starting: Promise<ReplayWorld> | undefined;
  const world = (): Promise<ReplayWorld> => (starting ??= startReplayWorld(store));
  afterAll(async () => (await starting)?.[Symbol.asyncDispose]());

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
