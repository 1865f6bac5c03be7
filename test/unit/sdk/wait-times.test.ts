/** P12: a wait goes on to its time, whichever process it goes on in. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "bun:test";
import { type Checkpoint, CheckpointKind, CheckpointSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import { OpenWaitSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { DurableWait } from "../../../src/sdk/workflow/durable-wait.ts";
import { type StartTimes, WaitTimes } from "../../../src/sdk/workflow/wait-times.ts";

const DAY_MS = 86_400_000;

/** One execution of a handler. @param records what earlier ones noted, by name; notes are added, told `at` by the daemon */
function execution(
  records: Map<string, Checkpoint>,
  start: Omit<StartTimes, "arrivedAt">,
  facts: { at?: number; failures?: number; beforeMs?: number } = {},
) {
  const { at = 0, failures = 0, beforeMs = 0 } = facts;
  let monotonic = 1_000;
  const arrivedAt = monotonic - beforeMs;
  // The worker's own clock is a day ahead.
  const clock = { now: () => at + DAY_MS, monotonic: () => monotonic };
  const times = new WaitTimes(
    {
      ...{ clock, failures, functionName: "t:flow" },
      find: (label) => records.get(label),
      recordNote: (name, value) =>
        void records.set(
          name,
          create(CheckpointSchema, { name, value: Uint8Array.from(value), recordedAt: timestampFromMs(at), op: 0 }),
        ),
    },
    { ...start, arrivedAt },
  );
  return { times, clock, pass: (ms: number) => void (monotonic += ms) };
}

const NAP = { kind: "sleep_for", ms: 10_000 } as const;
const SIGNAL = { kind: "signal", signalName: "s", timeoutMs: 10_000 } as const;

test("a noted wait counts on by the daemon's clock, whatever the worker's says", () => {
  const records = new Map<string, Checkpoint>();
  const first = execution(records, { openWaits: [], startedAt: undefined }, { at: 50_000 });
  const wait = new DurableWait("nap", NAP, first.clock, undefined);
  first.pass(1_000);
  first.times.keep(wait);
  first.times.keep(wait);
  expect([...records.keys()]).toEqual(["due:nap"]);

  const next = execution(records, { openWaits: [], startedAt: 53_000 });
  expect(next.times.leftMs("nap", NAP, undefined)).toBe(6_000);
  next.pass(500);
  expect(next.times.leftMs("nap", NAP, undefined)).toBe(5_500);
  // Plain code before the first operation, and the wait for a slot, are not added.
  const late = execution(records, { openWaits: [], startedAt: 53_000 }, { beforeMs: 1_500 });
  expect(late.times.leftMs("nap", NAP, undefined)).toBe(4_500);
  expect(execution(records, { openWaits: [], startedAt: 99_000 }).times.leftMs("nap", NAP, undefined)).toBe(0);
  // A daemon that does not tell its time: longer, and never early.
  expect(
    execution(records, { openWaits: [], startedAt: undefined }).times.leftMs("nap", NAP, undefined),
  ).toBeUndefined();
});

test("a wait that is registered has the time that the daemon says is left of it, and is not noted", () => {
  const records = new Map<string, Checkpoint>();
  const open = create(OpenWaitSchema, { name: "nap", op: 7, kind: CheckpointKind.SLEEP, leftMs: 4_000 });
  const { times, clock, pass } = execution(records, { openWaits: [open], startedAt: 1 });
  pass(1_500);
  expect(times.leftMs("nap", NAP, undefined)).toBe(2_500);
  expect(times.leftMs("other", NAP, undefined)).toBeUndefined();
  times.keep(new DurableWait("nap", NAP, clock, undefined));
  expect(records.size).toBe(0);
});

test("the time of a message is over in one attempt, and whole in the next; a sleep goes on", () => {
  const records = new Map<string, Checkpoint>();
  const first = execution(records, { openWaits: [], startedAt: undefined }, { at: 0 });
  first.times.keep(new DurableWait("s", SIGNAL, first.clock, undefined));
  first.times.keep(new DurableWait("nap", NAP, first.clock, undefined));
  const crashed = execution(records, { openWaits: [], startedAt: 4_000 });
  const retried = execution(records, { openWaits: [], startedAt: 4_000 }, { failures: 1 });
  expect([crashed.times.leftMs("s", SIGNAL, undefined), crashed.times.leftMs("nap", NAP, undefined)]).toEqual([
    6_000, 6_000,
  ]);
  expect([retried.times.leftMs("s", SIGNAL, undefined), retried.times.leftMs("nap", NAP, undefined)]).toEqual([
    undefined,
    6_000,
  ]);
});
