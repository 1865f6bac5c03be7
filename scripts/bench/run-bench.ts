import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join, resolve } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import type { BenchContext } from "./bench-context.ts";
import { bunRuntime, nodeRuntime } from "./child-process.ts";
import type { BenchOptions, SuiteName } from "./options.ts";
import { Recorder } from "./recorder.ts";
import { rowSpecs } from "./row-specs.ts";
import { judgeRows, type Row, type RowSpec } from "./rows.ts";
import { FULL_SCALE, QUICK_SCALE } from "./scale.ts";
import { runDelayedSuite, runListSuite, runMemorySuite, runStartSuite } from "./suite-footprint.ts";
import { runPostgresSuite } from "./suite-postgres.ts";
import { runScheduleSuite } from "./suite-schedules.ts";
import { runWorkSuites } from "./suite-work.ts";
import { renderTable } from "./table.ts";

/** Load average over the last minute above which figures suffer. */
const QUIET_LOAD = 0.7;

/** Runs the suites asked for and prints the table. Exit code: 1 with `--strict` when a target is missed, else 0. */
export async function runBench(executable: string, options: BenchOptions): Promise<number> {
  const directory = mkdtempSync(join(resolve(options.directory), "reseolio-bench-"));
  // Also when the run ends early; daemons end the same way, clients when their input ends.
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));

  const context = await createContext(executable, options, directory);
  await runSuites(context);
  const specs = rowSpecs(context.scale);
  // Small counts on processes that are not warm: such figures say nothing about targets.
  const rows = judgeRows(context.recorder, options.quick ? specs.map(withoutTarget) : specs);
  report(context, rows);
  return options.strict && rows.some((row) => row.isMet === false) ? 1 : 0;
}

function withoutTarget({ target: _, ...spec }: RowSpec): RowSpec {
  return spec;
}

async function createContext(executable: string, options: BenchOptions, directory: string): Promise<BenchContext> {
  const startedAt = performance.now();
  return {
    loadAtStart: loadavg()[0] ?? 0,
    executable,
    options,
    directory,
    scale: options.quick ? QUICK_SCALE : FULL_SCALE,
    recorder: new Recorder(),
    bun: bunRuntime(),
    node: isWanted(options, "node") ? await nodeRuntime(directory) : null,
    progress: (text) => {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      process.stderr.write(`bench: ${seconds.padStart(4)} s  ${text}\n`);
    },
  };
}

async function runSuites(context: BenchContext): Promise<void> {
  const wants = (suite: SuiteName): boolean => isWanted(context.options, suite);
  if (wants("core") || wants("node") || wants("growth")) {
    await runWorkSuites(context, { node: wants("node"), growth: wants("growth") });
  }
  if (wants("lists")) await runListSuite(context);
  if (wants("delayed")) await runDelayedSuite(context);
  if (wants("schedules")) await runScheduleSuite(context);
  if (wants("start")) await runStartSuite(context);
  if (wants("memory")) await runMemorySuite(context);
  if (wants("postgres")) await runPostgresSuite(context);
}

function isWanted({ only }: BenchOptions, suite: SuiteName): boolean {
  return only.length === 0 || only.includes(suite);
}

function report({ options, recorder, scale, loadAtStart }: BenchContext, rows: readonly Row[]): void {
  const machine = describeMachine();
  process.stdout.write(`reseolio ${manifest.version} on ${machine.cpu} x ${machine.cpus}, Bun ${Bun.version}\n`);
  if (options.quick)
    process.stdout.write("A quick run with small counts: it shows that all works, not how fast; no targets.\n");
  if (loadAtStart > QUIET_LOAD) {
    process.stdout.write(
      `The machine was busy at the start (load ${loadAtStart.toFixed(1)}): read the figures as low.\n`,
    );
  }
  process.stdout.write(renderTable(rows));
  const missed = rows.filter((row) => row.isMet === false);
  const met = rows.filter((row) => row.isMet === true);
  if (!options.quick) process.stdout.write(`\n${met.length} targets met, ${missed.length} missed\n`);
  if (options.json === null) return;
  const text = JSON.stringify(
    { version: manifest.version, at: new Date(), machine, loadAtStart, scale, rows, values: recorder },
    null,
    2,
  );
  writeFileSync(options.json, `${text}\n`);
}

function describeMachine(): {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernel: string;
} {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cpus: processors.length,
    memoryBytes: totalmem(),
    kernel: release(),
  };
}
