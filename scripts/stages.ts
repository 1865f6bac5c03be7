/** The stages of `bun run check`, in the order in which they start. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installSdk } from "./install-sdk.ts";
import { buildIfStale, checkout, executable } from "./prepare.ts";
import type { Stage, Verdict } from "./run-stages.ts";
import { run, type RunResult } from "./run.ts";
import { readFailures, readTally } from "./tally.ts";

/** How many slots the checks use: on two cores, as tests mostly wait for processes, disks and timers. */
export const SLOTS = 4;

/**
 * How many files of a folder run at once, which is also how many slots its stage takes; one unless it says so here.
 * `test/load` makes chaos and measures, so it has the machine for itself.
 */
const SLOTS_OF: Readonly<Record<string, number>> = {
  "test:e2e": 3,
  "test:storage": 3,
  "test:readme": 2,
  "test:examples": 2,
  "test:load": SLOTS,
};

/** The longest first, so that the short ones fill the slots beside them; what has the machine for itself last. */
const TEST_ORDER = [
  ...["e2e", "storage", "readme", "examples", "postgres", "unit", "replay", "slow", "model", "testing", "rpc"],
  ...["golden", "architecture", "load"],
].map((name) => `test:${name}`);

const bin = (name: string): string => join(checkout, "node_modules", ".bin", name);

let built: Promise<unknown> | undefined;
let installed: Promise<string> | undefined;

/** Everything but the tests. */
export function staticStages(): readonly Stage[] {
  return [
    // First, because `package` needs it.
    staticStage("build", () => asResult((built ??= buildIfStale()))),
    staticStage("lint", () => quiet([bin("oxlint"), "--deny-warnings"])),
    staticStage("types", () => quiet([process.execPath, "check", "--no-script"])),
    staticStage("generated", compareGenerated),
    staticStage("proto", () => quiet([bin("buf"), "lint"], "proto")),
    staticStage("format", () => quiet([process.execPath, "fmt", "--no-script", "--check"])),
    staticStage("package", () => asResult((installed ??= installPackage()))),
  ];
}

/** One process for each folder of tests, so that one that crashes does not take the others with it. */
export function testStages(): readonly Stage[] {
  const root = join(checkout, "test");
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasTests(join(root, entry.name)))
    .map((entry) => testStage(`test:${entry.name}`, [`./test/${entry.name}/`]));
  const loose = readdirSync(root)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => testStage(`test:${name.replace(".test.ts", "")}`, [`./test/${name}`]));
  const onPostgres = testStage("test:postgres", ON_ENGINE, { RESEOLIO_TEST_ENGINE: "postgres" });
  return [...folders, ...loose, onPostgres].toSorted((one, other) => rank(one) - rank(other));
}

/** A folder that the order does not name comes before what needs the machine for itself. */
function rank(stage: Stage): number {
  const index = TEST_ORDER.indexOf(stage.name);
  return index === -1 ? TEST_ORDER.length - 1.5 : index;
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

function testStage(name: string, files: readonly string[], env: Readonly<Record<string, string>> = {}): Stage {
  const slots = SLOTS_OF[name] ?? 1;
  const parallel = slots > 1 && slots < SLOTS ? [`--parallel=${slots}`, "--no-isolate"] : [];
  return { name, slots, run: (show) => runTests([...parallel, ...files], env, show) };
}

async function runTests(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  show: boolean,
): Promise<Verdict> {
  // bunfig.toml leaves out what `bun test` alone does not run.
  const command = [process.execPath, "test", "--timeout=30000", "--path-ignore-patterns=", ...words];
  const result = await run(command, {
    cwd: checkout,
    env: { ...env, ...(await preparedFiles()) },
    show,
    timeoutMs: 15 * 60_000,
  });
  return { tally: readTally(result), failures: readFailures(result.output), output: show ? "" : result.output };
}

/** Passes the results of earlier stages to the tests. */
async function preparedFiles(): Promise<Readonly<Record<string, string>>> {
  // Only a built executable: without it the end-to-end tests run the source, and the build stage has failed anyway.
  const binary = existsSync(executable) ? { RESEOLIO_TEST_BINARY: executable } : {};
  const modules = await installed?.catch(() => undefined);
  return { ...binary, ...(modules === undefined ? {} : { RESEOLIO_TEST_MODULES: modules }) };
}

async function installPackage(): Promise<string> {
  await (built ??= buildIfStale());
  const project = await mkdtemp(join(tmpdir(), "reseolio-installed-"));
  process.on("exit", () => rmSync(project, { recursive: true, force: true }));
  return await installSdk(project);
}

function staticStage(name: string, check: () => Promise<RunResult>): Stage {
  return { name, slots: SLOTS / 2, run: async () => verdictOf(await check()) };
}

function verdictOf({ exitCode, output }: RunResult): Verdict {
  const passed = exitCode === 0 ? 1 : 0;
  return { tally: { passed, failed: 1 - passed, skipped: 0 }, failures: [], output: passed === 1 ? "" : output };
}

function quiet(command: readonly string[], directory = "."): Promise<RunResult> {
  return run(command, { cwd: join(checkout, directory), timeoutMs: 5 * 60_000 });
}

/** Generates into a directory of its own and compares: generated code is committed, so it must be what `buf` makes. */
async function compareGenerated(): Promise<RunResult> {
  const room = await mkdtemp(join(tmpdir(), "reseolio-generated-"));
  try {
    const generated = await quiet([bin("buf"), "generate", "--output", room], "proto");
    if (generated.exitCode !== 0) return generated;
    const difference = await quiet(["diff", "-r", "-u", "proto/gen", join(room, "gen")]);
    if (difference.exitCode === 0) return difference;
    return { ...difference, output: `proto/gen is out of date; run bun run generate:\n${difference.output}` };
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

function asResult(work: Promise<unknown>): Promise<RunResult> {
  return work.then(
    () => ({ exitCode: 0, output: "" }),
    (error: unknown) => ({ exitCode: 1, output: String(error) }),
  );
}
