/** The judge of undos sees each way in which an order can be undone wrongly. */
import { describe, expect, test } from "bun:test";
import { Random } from "../../../scripts/soak/random.ts";
import { describeEffects, type Effect, effectLine, readEffects } from "../../../scripts/soak/undo/effect-log.ts";
import { judgeOrder, type OrderEnd } from "../../../scripts/soak/undo/judge-order.ts";
import { planOrders, STEPS } from "../../../scripts/soak/undo/plan-orders.ts";
import type { OrderRecord, UndoRecord } from "../../../scripts/soak/undo/read-orders.ts";
import { countsOf, NO_ORDERS, sumOf } from "../../../scripts/soak/undo/undo-counts.ts";

/** Process 1 was killed at 500, process 2 was not. */
const KILLS = new Map([[1, 500]]);
const plan = { pauses: [], failsAfter: null, cancelAtMs: null };
const undo: UndoRecord = { jobId: "u", state: "SUCCESS", undone: ["charge", "reserve"], complaints: [] };

/** Lines such as `do reserve 1`, one each hundred milliseconds; an empty one stands for time that passes. */
function effects(...lines: readonly string[]): readonly Effect[] {
  return lines.flatMap((line, index) => {
    const [act = "", step = "", pid] = line.split(" ");
    if (line === "") return [];
    return [{ jobId: "j", step, act: act as Effect["act"], pid: Number(pid), at: (index + 1) * 100, ticket: step }];
  });
}

function order(record: Partial<OrderRecord>, ...lines: readonly string[]): OrderEnd {
  const { state = "DEAD", steps = ["reserve", "charge"] } = record;
  const reasons = { ...plan, failsAfter: state === "DEAD" ? 2 : null, cancelAtMs: state === "CANCELLED" ? 10 : null };
  const whole = { jobId: "j", state, steps, complaints: [], undoJobs: state === "SUCCESS" ? [] : [undo], ...record };
  return { plan: reasons, record: whole, effects: effects(...lines) };
}

const DONE = ["do reserve 1", "do charge 1"] as const;
const UNDONE = ["undo charge 2", "undo reserve 2"] as const;
const ALL_DONE = STEPS.map((step) => `do ${step} 1`);
const succeeded = order({ state: "SUCCESS", steps: STEPS }, ...ALL_DONE);
const undone = order({}, ...DONE, ...UNDONE);

describe("an order that ended as it should", () => {
  const fine: Readonly<Record<string, OrderEnd>> = {
    "succeeded, and is not undone": succeeded,
    "failed, and was undone": undone,
    "was cancelled, and was undone": order({ state: "CANCELLED" }, ...DONE, ...UNDONE),
    "had an undo cut off by a kill": order({}, ...DONE, "undo charge 1", "", "", "undo charge 2", "undo reserve 2"),
    "had a step cut off by a kill": order({}, "do reserve 1", "", "", "", "do reserve 2", "do charge 2", ...UNDONE),
    "was cancelled before a step was on record": order({ state: "CANCELLED", steps: [], undoJobs: [] }, "do reserve 1"),
  };
  for (const [name, end] of Object.entries(fine)) test(name, () => expect(judgeOrder(end, KILLS)).toEqual([]));
});

describe("a fault is seen when", () => {
  const broken: Readonly<Record<string, readonly [OrderEnd, string]>> = {
    "steps were undone in the wrong order": [
      order({}, ...DONE, "undo reserve 2", "undo charge 2"),
      "it was undone as reserve charge",
    ],
    "undoing went back to a step": [
      order({}, ...DONE, "undo charge 1", "undo reserve 1", "", "undo charge 2", "undo reserve 2"),
      "it was undone as charge reserve charge reserve",
    ],
    "a step was undone twice in one process": [
      order({}, ...DONE, "undo charge 2", "undo charge 2", "undo reserve 2"),
      "undo charge came again in process 2, which had done it",
    ],
    "a step was undone again while the first process was alive": [
      order({}, ...DONE, "undo charge 1", "undo charge 2", "undo reserve 2"),
      "undo charge came again in process 2 while process 1 was alive",
    ],
    "a step was done again while the first process was alive": [
      order({}, ...DONE, "do charge 2", ...UNDONE),
      "do charge came again in process 2 while process 1 was alive",
    ],
    "something was undone that is not on record": [
      order({}, ...DONE, "do ship 1", "undo ship 2", ...UNDONE),
      "ship was undone in process 2, and is not to be undone",
    ],
    "something on record was not undone": [
      order({}, ...DONE, "undo charge 2"),
      "reserve is on record of a job that is DEAD and was never undone",
    ],
    "something in the middle was not undone": [
      order({ steps: STEPS.slice(0, 3) }, ...DONE, "do ship 1", "undo ship 2", "undo reserve 2"),
      "charge is on record of a job that is DEAD and was never undone",
    ],
    "a job that succeeded was undone": [
      order({ state: "SUCCESS", steps: STEPS }, ...ALL_DONE, "undo notify 2"),
      "notify was undone in process 2, and is not to be undone",
    ],
    "a job that succeeded has an undo job": [
      order({ state: "SUCCESS", steps: STEPS, undoJobs: [{ ...undo, undone: STEPS.toReversed() }] }, ...ALL_DONE),
      "has 1 undo jobs, not 0",
    ],
    "there is no undo job": [order({ undoJobs: [] }, ...DONE, ...UNDONE), "has 0 undo jobs, not 1"],
    "there are two undo jobs": [order({ undoJobs: [undo, undo] }, ...DONE, ...UNDONE), "has 2 undo jobs, not 1"],
    "there is an undo job for nothing": [
      order({ state: "CANCELLED", steps: [], undoJobs: [{ ...undo, undone: [] }] }),
      "CANCELLED with nothing on record and has 1 undo jobs, not 0",
    ],
    "the undo job did not succeed": [
      order({ undoJobs: [{ ...undo, state: "DEAD" }] }, ...DONE, ...UNDONE),
      "its undo job u is DEAD",
    ],
    "the undo job has failed meanwhile": [
      order({ undoJobs: [{ ...undo, complaints: ["attempt 1 failed: no"] }] }, ...DONE, ...UNDONE),
      "its undo job u failed by itself: attempt 1 failed: no",
    ],
    "the undo job tells something else": [
      order({ undoJobs: [{ ...undo, undone: ["charge"] }] }, ...DONE, ...UNDONE),
      "its undo job u says that it undid charge, not charge reserve",
    ],
    "an undo was given another result": [
      { ...undone, effects: undone.effects.map((one) => (one.act === "undo" ? { ...one, ticket: "x" } : one)) },
      "charge was undone in process 2 with a result that is not the recorded one",
    ],
    "what is on record was never done": [
      order({}, "do reserve 1", ...UNDONE),
      "charge is on record and was never done",
    ],
    "a step is missing on record": [
      order({ state: "SUCCESS", steps: STEPS.slice(1) }, ...ALL_DONE),
      "it is SUCCESS with charge ship invoice notify on record",
    ],
    "it has not ended": [order({ state: "RUNNING", undoJobs: [] }, ...DONE), "it is RUNNING, not SUCCESS"],
    "it failed without being meant to": [{ ...undone, plan }, "it is DEAD, not SUCCESS"],
    "an attempt failed that was not meant to": [
      order({ state: "SUCCESS", steps: STEPS, complaints: ["attempt 1 failed: no"] }, ...ALL_DONE),
      "it failed by itself: attempt 1 failed: no",
    ],
  };
  for (const [name, [end, fault]] of Object.entries(broken)) {
    test(name, () => expect(judgeOrder(end, KILLS).join("\n")).toContain(fault));
  }
});

test("a person is told what was done when and where, and which of its processes were killed when", () => {
  const text = describeEffects(effects("do charge 1", "undo charge 2"), new Map([...KILLS, [3, 700]]));
  expect(text).toBe("do charge @1 +0, undo charge @2 +100; killed: 1 +400");
  expect(describeEffects([], KILLS)).toBe("no lines");
});

test("effects are read as they were written", () => {
  expect(readEffects(undone.effects.map(effectLine).join(""))).toEqual(undone.effects);
  expect(readEffects("")).toEqual([]);
});

test("the same seed plans the same orders: half of them fail or are cancelled, wherever that may happen", () => {
  const plans = planOrders(1_000, 5_000, new Random(7));
  expect(plans).toEqual(planOrders(1_000, 5_000, new Random(7)));
  const failing = plans.filter(({ failsAfter }) => failsAfter !== null);
  expect(new Set(failing.map(({ failsAfter }) => failsAfter))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
  const ending = plans.filter(({ failsAfter, cancelAtMs }) => failsAfter !== null || cancelAtMs !== null);
  expect(ending.length).toBeGreaterThan(500);
  expect(ending.length).toBeLessThan(700);
});

test("counts say what was shown, and are summed", () => {
  const counts = countsOf([succeeded, undone], 3, 1);
  expect(counts).toMatchObject({ orders: 2, succeeded: 1, dead: 1, cancelled: 0, undoJobs: 1, undoLines: 2 });
  const again = order({}, ...DONE, "undo charge 1", "undo charge 2", "undo reserve 2");
  expect(countsOf([again], 0, 0)).toMatchObject({ undoLines: 3, repeatedUndos: 1, repeatedSteps: 0 });
  expect(sumOf(counts, NO_ORDERS)).toEqual(counts);
  expect(sumOf(counts, counts)).toMatchObject({ orders: 4, workerKills: 6, daemonKills: 2 });
});
