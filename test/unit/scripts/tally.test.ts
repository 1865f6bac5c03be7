import { describe, expect, test } from "bun:test";
import { addTallies, closingLine, readFailures, readTally } from "../../../scripts/tally.ts";

const finished = (exitCode: number | null, ...lines: string[]) => ({ exitCode, output: lines.join("\n") });

describe("the tally of a test run", () => {
  test("is what the runner counted last, not what a test printed", () => {
    const run = finished(
      0,
      " 99 fail",
      "(pass) something",
      " 12 pass",
      " 2 skip",
      " 1 todo",
      " 0 fail",
      "Ran 15 tests",
    );
    expect(readTally(run)).toEqual({ passed: 12, failed: 0, skipped: 3 });
  });

  test("counts a run that crashed, did not end or found no tests as a failure", () => {
    const failure = { passed: 0, failed: 1, skipped: 0 };
    expect(readTally(finished(null, "panic"))).toEqual(failure);
    expect(readTally(finished(132, ""))).toEqual(failure);
    expect(readTally(finished(0, "no tests found"))).toEqual(failure);
  });

  test("counts an error outside of any test as a failure", () => {
    expect(readTally(finished(1, " 3 pass", " 0 fail", " 1 error"))).toEqual({ passed: 3, failed: 1, skipped: 0 });
  });

  test("closes with one line that names skips only when there are some", () => {
    const one = { passed: 3, failed: 0, skipped: 0 };
    expect(closingLine(one)).toBe("3 passed, 0 failed");
    expect(closingLine(addTallies(one, { passed: 1, failed: 2, skipped: 4 }))).toBe("4 passed, 2 failed, 4 skipped");
  });
});

test("the failures of a run name each test with what it said", () => {
  const { output } = finished(
    1,
    "error: of a test that expects one",
    "(pass) a group > passes [0.10ms]",
    "error: expect(received).toBe(expected)",
    "",
    "Expected: 2",
    "Received: 3",
    "      at <anonymous> (/a/b.test.ts:1:2)",
    "not part of the error",
    "(fail) a group > fails here [0.21ms]",
    "(fail) a group > fails > without a word",
    "(fail) a group > slow [100.36ms]",
    "  ^ this test timed out after 100ms.",
    " 3 fail",
  );
  expect(readFailures(output)).toEqual([
    "a group > fails here: expect(received).toBe(expected)\n    Expected: 2\n    Received: 3",
    "a group > fails > without a word",
    "a group > slow: this test timed out after 100ms.",
  ]);
});
