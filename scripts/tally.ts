import type { RunResult } from "./run.ts";

/** How many checks passed, failed and were skipped. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const emptyTally: Tally = { passed: 0, failed: 0, skipped: 0 };

export function addTallies(one: Tally, other: Tally): Tally {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

/** `12 passed, 0 failed`, with `, 1 skipped` when some were. */
export function closingLine(tally: Tally): string {
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
  return `${tally.passed} passed, ${tally.failed} failed${skipped}`;
}

/**
 * Reads the end of a `bun test` run. A run that ended badly without saying which test failed (a crash, an error outside
 * of any test, no tests at all) counts as one failure.
 */
export function readTally(result: RunResult): Tally {
  const passed = lastCount(result.output, "pass");
  const failed = lastCount(result.output, "fail");
  const skipped = lastCount(result.output, "skip") + lastCount(result.output, "todo");
  const silentFailure = failed === 0 && (result.exitCode !== 0 || passed + skipped === 0);
  return { passed, failed: silentFailure ? 1 : failed, skipped };
}

/** How many lines of an error the list of failures keeps: enough for what was expected and what came instead. */
const ERROR_LINES = 12;

/**
 * The failed tests: the name and the last error before it, with what was expected and received, up to `ERROR_LINES`
 * lines. Often only the end of a long log is kept, so the end should say what failed.
 */
export function readFailures(output: string): string[] {
  const failures: string[] = [];
  let error = "";
  let left = 0;
  for (const line of output.split("\n")) {
    if (line.startsWith("error: ")) {
      error = line.slice("error: ".length);
      left = ERROR_LINES - 1;
    } else if (/^ +at /.test(line) || line.startsWith("(")) left = 0;
    else if (left > 0 && line.trim() !== "") {
      error += `\n    ${line}`;
      left--;
    }
    if (line.startsWith("(pass) ")) error = "";
    const failed = /^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/.exec(line)?.[1];
    const timedOut = /^ +\^ (this test .*)$/.exec(line)?.[1];
    if (failed !== undefined) failures.push(error === "" ? failed : `${failed}: ${error}`);
    else if (timedOut !== undefined && failures.length > 0) failures.push(`${failures.pop()}: ${timedOut}`);
    if (failed !== undefined) error = "";
  }
  return failures;
}

function lastCount(output: string, word: string): number {
  const counts = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))];
  return Number(counts.at(-1)?.[1] ?? 0);
}
