import { describe, expect, test } from "bun:test";
import { acknowledgedLine, compareWithStore, readEnqueueLog, triedLine } from "../../../scripts/soak/enqueue-log.ts";
import {
  endLine,
  findOverlaps,
  readExecutionLog,
  restartDelays,
  startLine,
} from "../../../scripts/soak/execution-log.ts";

describe("the log of enqueues", () => {
  const text = [triedLine("c", 1), triedLine("c", 2), acknowledgedLine("c", 1, "one"), triedLine("c", 3)].join("");
  const log = readEnqueueLog(text);
  const one = { call: "c 1", jobId: "one" };
  const two = { call: "c 2", jobId: "two" };

  test("a line that a kill cut in half does not count", () => {
    const cut = readEnqueueLog(`${text}a c 2 tw`);
    expect([...cut.acknowledged.keys()]).toEqual(["c 1"]);
    expect([...cut.tried]).toEqual(["c 1", "c 2", "c 3"]);
  });

  test("P1 acknowledged within stored within tried is no fault, with or without the calls that were under way", () => {
    expect(compareWithStore(log, [one])).toEqual([]);
    expect(compareWithStore(log, [one, two])).toEqual([]);
  });

  test("P1 an acknowledged call that is not stored is a fault, and so is one under another id", () => {
    expect(compareWithStore(log, [two])).toEqual(["call c 1 was acknowledged as one and is lost"]);
    expect(compareWithStore(log, [{ ...one, jobId: "other" }])).toEqual([
      "call c 1 was acknowledged as one and is stored as other",
    ]);
  });

  test("P2 a call that is stored twice, or was never made, is a fault", () => {
    expect(compareWithStore(log, [one, two, { ...two, jobId: "again" }])).toEqual([
      "call c 2 is stored twice: two and again",
    ]);
    expect(compareWithStore(log, [one, { call: "c 9", jobId: "nine" }])).toEqual([
      "call c 9 is stored and was never made",
    ]);
  });
});

describe("the log of executions", () => {
  test("an execution that a kill cut off ends with the kill, another one that has not ended still runs", () => {
    const text =
      startLine("j", 1, 10, 100) + startLine("k", 1, 11, 110) + startLine("l", 1, 12, 90) + endLine("l", 1, 12, 95);
    expect(readExecutionLog(text, new Map([[10, 150]]))).toEqual([
      { jobId: "l", attempt: 1, pid: 12, startedAt: 90, endedAt: 95, wasKilled: false },
      { jobId: "j", attempt: 1, pid: 10, startedAt: 100, endedAt: 150, wasKilled: true },
      { jobId: "k", attempt: 1, pid: 11, startedAt: 110, endedAt: null, wasKilled: false },
    ]);
  });

  test("P4 two handlers of one job at a time are a fault", () => {
    const first = startLine("j", 1, 10, 100) + endLine("j", 1, 10, 200);
    const after = startLine("j", 2, 11, 200) + endLine("j", 2, 11, 300);
    const during = startLine("j", 2, 11, 199) + endLine("j", 2, 11, 300);
    expect(findOverlaps(readExecutionLog(first + after, new Map()))).toEqual([]);
    expect(findOverlaps(readExecutionLog(first + during, new Map()))).toHaveLength(1);
    expect(findOverlaps(readExecutionLog(startLine("j", 1, 10, 100) + after, new Map()))).toHaveLength(1);
  });

  test("P4 an attempt number that does not rise is a fault", () => {
    const text =
      startLine("j", 2, 10, 100) + endLine("j", 2, 10, 110) + startLine("j", 2, 11, 120) + endLine("j", 2, 11, 130);
    expect(findOverlaps(readExecutionLog(text, new Map()))).toEqual(["job j: attempt 2 came after attempt 2"]);
  });

  test("P6 the delay of a restart counts from the kill, and a job that never began again has none", () => {
    const text = startLine("j", 1, 10, 100) + startLine("k", 1, 10, 100) + startLine("j", 2, 11, 190);
    expect(restartDelays(readExecutionLog(text, new Map([[10, 150]])))).toEqual([40, null]);
  });
});
