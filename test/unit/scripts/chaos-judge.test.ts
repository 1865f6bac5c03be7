import { describe, expect, test } from "bun:test";
import { readCallLog } from "../../../scripts/soak/chaos/call-log.ts";
import { findFlowFaults } from "../../../scripts/soak/chaos/flow-log.ts";
import { findLateEnds, findRecovery, findUncaught } from "../../../scripts/soak/chaos/judge.ts";

describe("the judge of chaos", () => {
  test("finds calls that took too long, never ended, or ended as none may", () => {
    const fine = "t c-1 10\na c-1 20 10 ID\nr c-1 30 10 ok\nt c-2 10\nx c-2 15010 15000 connection\n";
    expect(findLateEnds(readCallLog(fine))).toEqual([]);
    expect(findLateEnds(readCallLog(`${fine}t c-3 40\n`))).toEqual(["1 calls never ended"]);
    expect(findLateEnds(readCallLog("t c-1 1\na c-1 2 18000 ID\n"))).toEqual(["call c-1 took 18000 ms"]);
    expect(findLateEnds(readCallLog("t c-1 1\na c-1 2 1 ID\nr c-1 3 30000 ok\n"))).toHaveLength(1);
    expect(findLateEnds(readCallLog("t c-1 1\nx c-1 2 1 internal\n"))).toEqual(["call c-1 ended with internal"]);
    expect(findLateEnds(readCallLog("t c-1 1\na c-1 2 1 ID\nr c-1 3 1 not_found\n"))).toHaveLength(1);
  });

  test("leaves half a line out", () => {
    expect(readCallLog("t c-1 10\na c-1 20 1").acknowledged.size).toBe(0);
  });

  test("finds when work is back, and that it is not", () => {
    const every = (from: number, to: number, stepMs: number) =>
      Array.from({ length: (to - from) / stepMs }, (_, index) => from + index * stepMs);
    const before = every(1_000, 6_000, 10);
    expect(findRecovery([...before, ...every(20_000, 25_000, 15)], 6_000, 18_000, 0.5)).toMatchObject({
      before: 100,
      after: 67,
      afterMs: 2_735,
    });
    expect(findRecovery([...before, ...every(20_000, 25_000, 50)], 6_000, 18_000, 0.5).afterMs).toBeNull();
    expect(findRecovery(before, 6_000, 18_000, 0.5)).toMatchObject({ after: 0, afterMs: null });
  });

  test("finds a step that ran after it was recorded, and a sleep that was too short", () => {
    const fine = "runs J a 1\nruns J a 2\nrecorded J a 3\nrecorded J a 4\nsleeps J n 5\nsleeps J n 90\nwakes J n 105\n";
    expect(findFlowFaults(fine, 100)).toEqual([]);
    expect(findFlowFaults(`${fine}runs J a 110\n`, 100)).toEqual(["step a of job J ran after it was recorded"]);
    expect(findFlowFaults(fine, 101)).toEqual(["job J slept 100 ms of 101"]);
  });

  test("takes errors and whatever is no line of the log for an outcry", () => {
    expect(findUncaught('{"level":"warn","message":"the poll failed"}\n')).toEqual([]);
    expect(findUncaught('{"level":"error","message":"x"}\n')).toHaveLength(1);
    expect(findUncaught("TypeError: null is not an object\n")).toHaveLength(1);
  });
});
