/**
 * `bun run check`: everything that must hold, stage by stage; a stage that fails does not hide the others.
 *
 *     bun run check                all stages
 *     bun run check lint types     only these
 */
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildIfStale, checkout, executable } from "./prepare.ts";
import { run } from "./run.ts";
import type { RunResult } from "./run.ts";
import { addTallies, closingLine, emptyTally, readFailures, readTally } from "./tally.ts";
import type { Tally } from "./tally.ts";

interface Stage {
  readonly name: string;
  run(): Promise<Verdict>;
}

interface Verdict {
  readonly tally: Tally;
  /** What failed, a line each. */
  readonly failures: readonly string[];
}

const bin = (name: string): string => join(checkout, "node_modules", ".bin", name);

const staticStages: readonly Stage[] = [
  { name: "generated", run: () => verdict(compareGenerated) },
  { name: "proto", run: () => verdict(() => quiet([bin("buf"), "lint"], "proto")) },
  { name: "format", run: () => verdict(() => quiet([process.execPath, "fmt", "--no-script", "--check"])) },
  { name: "lint", run: () => verdict(() => quiet([bin("oxlint"), "--deny-warnings"])) },
  { name: "types", run: () => verdict(() => quiet([process.execPath, "check", "--no-script"])) },
  { name: "build", run: () => verdict(build) },
];

/** Runs the stages of these names, or all; prints each with its time on stderr. Returns what passed and failed. */
export async function runChecks(names: readonly string[] = []): Promise<Tally> {
  const all = [...staticStages, ...testStages()];
  const unknown = names.filter((name) => !all.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    throw new Error(`no stage ${unknown.join(", ")}; there are ${all.map((stage) => stage.name).join(", ")}`);
  }
  const chosen = names.length === 0 ? all : all.filter((stage) => names.includes(stage.name));
  const results: (Verdict & { readonly stage: Stage; readonly seconds: string })[] = [];
  for (const stage of chosen) {
    process.stderr.write(`\n── ${stage.name}\n`);
    const startedAt = performance.now();
    const { tally, failures } = await stage.run();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    results.push({ stage, tally, failures, seconds });
    process.stderr.write(`── ${stage.name}: ${closingLine(tally)} in ${seconds} s\n`);
  }
  process.stderr.write("\n");
  for (const { stage, tally, seconds } of results) {
    process.stderr.write(
      `${tally.failed > 0 ? "FAILED" : "ok    "} ${stage.name.padEnd(18)} ${seconds.padStart(7)} s\n`,
    );
  }
  for (const { stage, failures } of results) {
    for (const failure of failures) process.stderr.write(`FAILED ${stage.name}: ${failure}\n`);
  }
  return results.map((result) => result.tally).reduce(addTallies, emptyTally);
}

/**
 * Tests that mostly wait, for processes and for time, and how many of their files run at once. `test/load` is what must
 * have the machine for itself.
 */
const FILES_AT_ONCE: Readonly<Record<string, number>> = {
  "test:e2e": 3,
  "test:storage": 3,
  "test:readme": 2,
  "test:examples": 2,
};

/** One process for each folder of tests, so that one that crashes does not take the others with it. */
function testStages(): readonly Stage[] {
  const root = join(checkout, "test");
  const groups = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasTests(join(root, entry.name)))
    .map((entry) => ({ name: `test:${entry.name}`, files: `./test/${entry.name}/` }));
  const loose = readdirSync(root).filter((name) => name.endsWith(".test.ts"));
  const stages = [
    ...loose.map((name) => ({ name: `test:${name.replace(".test.ts", "")}`, files: `./test/${name}` })),
    ...groups,
  ].map(({ name, files }) => ({ name, run: () => runTests([...workers(name), files]) }));
  return [...stages, { name: "test:postgres", run: () => runTests(ON_ENGINE, { RESEOLIO_TEST_ENGINE: "postgres" }) }];
}

function workers(stage: string): readonly string[] {
  const count = FILES_AT_ONCE[stage];
  return count === undefined ? [] : [`--parallel=${count}`, "--no-isolate"];
}

/** Engine and services: on SQLite with their folders, and here on PostgreSQL. */
const ON_ENGINE = [
  "./test/unit/engine/",
  "./test/rpc/services.test.ts",
  "./test/rpc/signals.test.ts",
  "./test/rpc/undo-jobs.test.ts",
  "./test/rpc/stream-cleanup.test.ts",
  "./test/rpc/metrics.test.ts",
];

function hasTests(directory: string): boolean {
  return readdirSync(directory, { recursive: true }).some((name) => String(name).endsWith(".test.ts"));
}

async function runTests(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Verdict> {
  const result = await run([process.execPath, "test", "--timeout=30000", ...words], {
    cwd: checkout,
    // Only a built executable: without it the end-to-end tests run the source, and the build stage has failed anyway.
    env: existsSync(executable) ? { ...env, RESEOLIO_TEST_BINARY: executable } : env,
    show: true,
    timeoutMs: 15 * 60_000,
  });
  return { tally: readTally(result), failures: readFailures(result.output) };
}

async function verdict(check: () => Promise<RunResult>): Promise<Verdict> {
  const result = await check();
  if (result.exitCode === 0) return { tally: { passed: 1, failed: 0, skipped: 0 }, failures: [] };
  process.stderr.write(`${result.output.trimEnd()}\n`);
  return { tally: { passed: 0, failed: 1, skipped: 0 }, failures: [] };
}

function quiet(command: readonly string[], directory = "."): Promise<RunResult> {
  return run(command, { cwd: join(checkout, directory), timeoutMs: 5 * 60_000 });
}

/** Generates into a room of its own and compares: generated code is committed, so it must be what `buf` makes. */
async function compareGenerated(): Promise<RunResult> {
  const room = await mkdtemp(join(tmpdir(), "reseolio-generated-"));
  try {
    const generated = await quiet([bin("buf"), "generate", "--output", room], "proto");
    if (generated.exitCode !== 0) return generated;
    const difference = await quiet(["diff", "-r", "-u", "proto/gen", join(room, "gen")]);
    if (difference.exitCode === 0) return difference;
    return { ...difference, output: `proto/gen is not what buf generates; bun run generate:\n${difference.output}` };
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

async function build(): Promise<RunResult> {
  return await buildIfStale().then(
    () => ({ exitCode: 0, output: "" }),
    (error: unknown) => ({ exitCode: 1, output: String(error) }),
  );
}

if (import.meta.main) {
  const tally = await runChecks(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`check: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  });
  process.stdout.write(`${closingLine(tally)}\n`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}
