import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BENCH_USAGE } from "../../../scripts/bench/options.ts";
import { QUICK } from "../../../scripts/check.ts";
import { runStages, type Stage, type StageListener } from "../../../scripts/run-stages.ts";
import { SOAK_USAGE } from "../../../scripts/soak/options.ts";
import { SLOTS, testStages } from "../../../scripts/stages.ts";
import { helpText } from "../../../scripts/usage.ts";
import { checkout } from "../../support/executable.ts";

const PASSED = { tally: { passed: 1, failed: 0, skipped: 0 }, failures: [], output: "" };

/** A stage that ends when it is told to. */
function stage(name: string, slots: number): Stage & { end(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { name, slots, run: async () => (await promise, PASSED), end: resolve };
}

describe("stages", () => {
  test("run beside each other as long as they fit, and all are run", async () => {
    const [long, big, small, alone] = [stage("long", 3), stage("big", 2), stage("small", 1), stage("alone", 9)];
    const log: string[] = [];
    const listener: StageListener = {
      started: ({ name }) => log.push(`${name} starts`),
      ended: ({ name }) => log.push(`${name} ends`),
    };
    const results = runStages([long, big, small, alone], 4, listener);
    for (const next of [small, long, big, alone]) {
      next.end();
      await Bun.sleep(0);
    }
    expect((await results).map(({ name }) => name)).toEqual(["small", "long", "big", "alone"]);
    expect(log.join(", ")).toBe(
      "long starts, small starts, small ends, long ends, big starts, big ends, alone starts, alone ends",
    );
  });

  test("every folder of tests has one, and test/load has the machine for itself", () => {
    const folders = readdirSync(join(checkout, "test"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const withoutTests = ["support"];
    const names = testStages().map(({ name }) => name);
    for (const { name } of folders) {
      expect({ name, isStage: names.includes(`test:${name}`) }).toEqual({
        name,
        isStage: !withoutTests.includes(name),
      });
    }
    expect(testStages().at(-1)).toMatchObject({ name: "test:load", slots: SLOTS });
  });

  test("`bun test` alone runs the tests of `bun run quick`", () => {
    const ignored = /pathIgnorePatterns = \["test\/\{([\w,]+)\}\/\*\*"\]/.exec(
      readFileSync(join(checkout, "bunfig.toml"), "utf8"),
    )?.[1];
    const left = testStages()
      .map(({ name }) => name)
      .filter((name) => name !== "test:postgres" && !QUICK.includes(name));
    expect(ignored?.split(",")).toEqual(left.map((name) => name.replace("test:", "")).toSorted());
  });
});

test("the help of a script names every option, and shows examples", () => {
  for (const usage of [BENCH_USAGE, SOAK_USAGE]) {
    const text = helpText(usage);
    for (const [flag] of usage.options) expect(text).toContain(`  ${flag} `);
    expect(text).toContain(`\n  bun run ${usage.script} --`);
  }
});
