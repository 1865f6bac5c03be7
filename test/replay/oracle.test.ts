/** The oracle of the differential test: what it must find, and what is no difference. */
import { describe, expect, test } from "bun:test";
import { findDifferences, type JobFacts } from "./oracle.ts";
import type { Program } from "./program.ts";
import { MemoryTrace } from "./trace.ts";

const STEP = { kind: "step", name: "a", ms: 0, fails: 0, tries: null, terminal: false } as const;
const PROGRAM: Program = { maxAttempts: 2, body: [STEP, { ...STEP, name: "b", tries: 2 }, { kind: "now" }] };

/** Executions as lists: `POINT=VALUE` given, `POINT>` a run begun, `POINT<` a run ended, `!POINT` failed by, `=RESULT`, `x` died. */
function facts(
  executions: readonly (readonly [failures: number, ...lines: string[]])[],
  more: Partial<JobFacts> = {},
): JobFacts {
  const memory = new MemoryTrace();
  for (const [failures, ...lines] of executions) {
    const execution = memory.begin(failures);
    for (const line of lines) write(memory, execution, line);
  }
  const end = { status: "success", result: "done", error: "" };
  return { program: PROGRAM, trace: memory.trace, end, wasKilled: false, ...more };
}

function write(memory: MemoryTrace, execution: number, line: string): void {
  const at = memory.tick();
  const [, point = "", mark = "", value = ""] = /^([^=<>]*)([=<>]?)(.*)$/.exec(line) ?? [];
  if (line === "x") memory.die("somewhere");
  else if (line.startsWith("!")) {
    memory.write(execution, { kind: "end", at, result: null, error: "!Error: no", endedBy: [line.slice(1)] });
  } else if (line.startsWith("=")) memory.write(execution, { kind: "end", at, result: value, error: "", endedBy: [] });
  else if (mark === "=") memory.write(execution, { kind: "given", at, point, value });
  else memory.write(execution, { kind: mark === ">" ? "runs" : "ran", at, point, run: memory.nextRun(point) });
}

describe("no difference", () => {
  test("is a replay that is given the same and goes on", () => {
    const replayed = facts([
      [0, "0>", "0<", "0=0@1", "x"],
      [0, "0=0@1", "1>", "1<", "1=1@1", "2=now", "=done"],
    ]);
    expect(findDifferences(replayed)).toEqual([]);
  });

  test("is what a dead handler is given, or one that was given up", () => {
    const zombies = facts([
      [0, "0>", "0<", "0=0@1", "x", "2=early"],
      [0, "0=0@1", "2=now", "=done"],
    ]);
    expect(findDifferences(zombies)).toEqual([]);
  });

  test("is the failure that ended an attempt, and what came after it", () => {
    const retried = facts([
      [0, "2=now", "0=!Error: no", "1=!Error: b", "!0"],
      [1, "2=now", "0=0@1", "1=1@1", "=done"],
    ]);
    expect(findDifferences(retried)).toEqual([]);
  });

  test("is a step that runs again because its process was killed before its record", () => {
    const killed = facts(
      [
        [0, "0>", "0<"],
        [0, "0>", "0<", "0=0@2", "=done"],
      ],
      { wasKilled: true },
    );
    expect(findDifferences(killed)).toEqual([]);
  });
});

describe("a difference", () => {
  test("is another value at the same point", () => {
    const other = facts([
      [0, "2=early", "x"],
      [0, "2=late", "=done"],
    ]);
    expect(findDifferences(other)).toEqual(["2: execution 0 was given early, execution 1 late"]);
  });

  test("is another value after a failed attempt, at a point before the failure", () => {
    const other = facts([
      [0, "2=early", "0=!Error: no", "!0"],
      [1, "2=late", "0=0@1", "=done"],
    ]);
    expect(findDifferences(other)).toEqual(["2: execution 0 was given early, execution 1 late"]);
  });

  test("is the value of another step", () => {
    expect(findDifferences(facts([[0, "0=1@1", "=done"]]))).toEqual([
      "0: execution 0 was given 1@1, which belongs elsewhere",
    ]);
  });

  test("is a step that runs again after its value was given, also in the next attempt", () => {
    const again = facts([
      [0, "0>", "0<", "0=0@1", "1=!Error: b", "!1"],
      [1, "0>", "0=0@1", "=done"],
    ]);
    expect(findDifferences(again)[0]).toBe("0: its body ran in execution 1 although execution 0 had its value");
  });

  test("is a step that runs again although the handler failed while it was under way", () => {
    const again = facts([
      [0, "0>", "1=!Error: b", "!1", "0<"],
      [1, "0>", "0<", "0=0@2", "=done"],
    ]);
    expect(findDifferences(again)[0]).toContain("0: its body ran in execution 1");
  });

  test("is a step that is tried more often than it may be", () => {
    const often = facts([[0, "1>", "1>", "1>", "1=1@3", "=done"]]);
    expect(findDifferences(often)).toEqual(["1: its body ran 3 times in one attempt of 1 executions"]);
  });

  test("is a signal that is given twice", () => {
    const twice = facts([[0, "0=signal:s:0", "2=signal:s:0", "=done"]]);
    expect(findDifferences(twice)).toEqual(["2: execution 0 was given signal:s:0 a second time"]);
  });

  test("is a job that ends otherwise than its last execution", () => {
    expect(findDifferences(facts([[0, "2=now", "=other"]]))).toHaveLength(1);
    expect(findDifferences(facts([[0, "2=now"]]))).toHaveLength(1);
    const early = facts([[0, "0=!Error: no", "!0"]], { end: { status: "dead", result: null, error: "no" } });
    expect(findDifferences(early)).toEqual(["the job is dead after 1 of 2 attempts: !Error: no"]);
  });
});
