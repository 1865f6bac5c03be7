/**
 * `bun run check`: everything that must hold, stage by stage; a stage that fails does not hide the others.
 *
 *     bun run check                all stages
 *     bun run check lint types     only these
 *     bun run quick                what a change needs most often, in under a minute
 */
import { runStages, type StageListener, type StageResult } from "./run-stages.ts";
import { SLOTS, staticStages, testStages } from "./stages.ts";
import { addTallies, closingLine, emptyTally, type Tally } from "./tally.ts";

/** Needs neither the executable nor PostgreSQL. `bun test` runs the same tests. */
export const QUICK = [
  ...["lint", "types", "generated", "proto", "format"],
  ...["test:unit", "test:rpc", "test:golden", "test:architecture"],
];

/** Runs the stages of these names, or all; prints each with its time on stderr. Returns what passed and failed. */
export async function runChecks(names: readonly string[] = []): Promise<Tally> {
  const wanted = names.includes("quick") ? [...names.filter((name) => name !== "quick"), ...QUICK] : names;
  const [first, second] = [staticStages(), testStages()];
  const all = [...first, ...second].map(({ name }) => name);
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    throw new Error(`no stage is called ${unknown.join(", ")}; the stages are quick, ${all.join(", ")}`);
  }
  const results: StageResult[] = [];
  for (const stages of [first, second]) {
    const chosen = stages.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
    results.push(...(await runStages(chosen, SLOTS, progress)));
  }
  printSummary(results);
  return results.map((result) => result.tally).reduce(addTallies, emptyTally);
}

const progress: StageListener = {
  started: ({ name }) => process.stderr.write(`── ${name}: started\n`),
  ended: ({ name, tally, seconds, output }) => {
    if (output !== "") process.stderr.write(`\n── ${name}\n${output.trimEnd()}\n`);
    process.stderr.write(`── ${name}: ${closingLine(tally)} in ${seconds.toFixed(1)} s\n`);
  },
};

function printSummary(results: readonly StageResult[]): void {
  process.stderr.write("\n");
  for (const { name, tally, seconds } of results) {
    const verdict = tally.failed > 0 ? "FAILED" : "ok    ";
    process.stderr.write(`${verdict} ${name.padEnd(18)} ${seconds.toFixed(1).padStart(7)} s\n`);
  }
  for (const { name, failures } of results) {
    for (const failure of failures) process.stderr.write(`FAILED ${name}: ${failure}\n`);
  }
}

if (import.meta.main) {
  const tally = await runChecks(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`check: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  });
  process.stdout.write(`${closingLine(tally)}\n`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}
