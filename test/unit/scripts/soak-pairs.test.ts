/** The judge of waits and events sees each way in which a wait can end wrongly. */
import { describe, expect, test } from "bun:test";
import { judgePairs, type PairEnd } from "../../../scripts/soak/events/judge-pairs.ts";
import { planPairs } from "../../../scripts/soak/events/plan-pairs.ts";
import type { StoredWait } from "../../../scripts/soak/events/read-waits.ts";
import { Random } from "../../../scripts/soak/random.ts";

const pair = { eventName: "e", awaitAtMs: 0, timeoutMs: 100, emits: [] };
const toldEnd: PairEnd = { pair, jobId: "j", told: "a", kept: [{ payload: "a", created: true, answeredAt: 1_060 }] };
const lateEnd: PairEnd = { pair, jobId: "j", told: null, kept: [] };
const toldWait: StoredWait = {
  ...{ eventName: "e", jobId: "j", dueAt: 1_100, endedAt: 1_050, timedOut: false },
  ...{ told: "a", emittedAt: 1_050, payload: "a" },
};
const lateWait: StoredWait = {
  ...toldWait,
  endedAt: 1_101,
  timedOut: true,
  told: null,
  emittedAt: null,
  payload: null,
};

function faultsOf(end: PairEnd, wait: StoredWait | null, log: readonly string[] = [`j ${end.told ?? "late"}`]) {
  return judgePairs([end], log, wait === null ? [] : [wait]);
}

describe("a wait that ended as it should", () => {
  test("has no fault", () => {
    expect(faultsOf(toldEnd, toldWait)).toEqual([]);
    expect(faultsOf(lateEnd, lateWait)).toEqual([]);
    // The event was being committed when the wait timed out.
    const close = { ...lateEnd, kept: [{ payload: "a", created: true, answeredAt: 1_110 }] };
    expect(faultsOf(close, { ...lateWait, emittedAt: 1_099, payload: "a" })).toEqual([]);
    // Its handler was replayed, and an emitter came second.
    const twice = { ...toldEnd, kept: [...toldEnd.kept, { payload: "a", created: false, answeredAt: 1_070 }] };
    expect(faultsOf(twice, toldWait, ["j a", "j a"])).toEqual([]);
  });
});

describe("a fault is seen when", () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    "a later payload won": faultsOf({ ...toldEnd, told: "b" }, { ...toldWait, told: "b" }),
    "emitters were told of different payloads": faultsOf(
      { ...toldEnd, kept: [...toldEnd.kept, { payload: "b", created: false, answeredAt: 1_070 }] },
      toldWait,
    ),
    "an event happened twice": faultsOf({ ...toldEnd, kept: [...toldEnd.kept, ...toldEnd.kept] }, toldWait),
    "a wait without a timeout timed out": faultsOf({ ...lateEnd, pair: { ...pair, timeoutMs: null } }, lateWait),
    "a replayed handler was told something else": faultsOf(toldEnd, toldWait, ["j a", "j late"]),
    "nothing was told": faultsOf(toldEnd, toldWait, []),
    "no wait is stored": faultsOf(toldEnd, null),
    "the wait is still open": faultsOf(toldEnd, { ...toldWait, endedAt: null }),
    "it was told an event of after its timeout": faultsOf(toldEnd, { ...toldWait, emittedAt: 1_101 }),
    "it timed out too early": faultsOf(lateEnd, { ...lateWait, endedAt: 1_099 }),
    "it timed out though its event was known": faultsOf(
      { ...lateEnd, kept: [{ payload: "a", created: true, answeredAt: 1_099 }] },
      { ...lateWait, emittedAt: 1_080, payload: "a" },
    ),
  };
  for (const [name, faults] of Object.entries(cases)) test(name, () => expect(faults.length).toBeGreaterThan(0));
});

test("the same seed plans the same pairs, of all three kinds", () => {
  const plan = () => planPairs(200, 1_000, new Random(7));
  expect(plan()).toEqual(plan());
  const kinds = plan().map(
    ({ timeoutMs, emits }) => `${timeoutMs === null ? "patient" : "limited"} ${emits.length > 0}`,
  );
  expect([...new Set(kinds)].sort()).toEqual(["limited false", "limited true", "patient true"]);
});
