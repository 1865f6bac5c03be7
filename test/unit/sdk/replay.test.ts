/** P11: what a handler was given once it is given by every replay, in the same order. */
import { describe, expect, test } from "bun:test";
import { setTimeout as timer } from "node:timers/promises";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Failure, Outcome, Release } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Context } from "../../../src/sdk/context.ts";
import { operationId, ROOT_ID } from "../../../src/sdk/replay/scope.ts";
import { checkpoint, jsonOf, WorkflowWorld } from "./workflow-world.ts";

type Flow = (flow: Context) => unknown;

interface Run {
  readonly outcome: Outcome["outcome"];
  readonly records: readonly Checkpoint[];
}

/** Runs it until it ends or parks, with what is on record, and adds what it records. */
async function run(world: WorkflowWorld, before: readonly Checkpoint[], more: object = {}): Promise<Run> {
  const records = new Map(before.map((record) => [record.name, record]));
  world.assign("job", ++lease, { checkpoints: shuffled(before), ...more });
  for (;;) {
    const frame = await world.session.next();
    for (const { checkpoint: given } of frame.checkpoints) if (given !== undefined) keep(records, given);
    world.session.reply(frame);
    const outcome = frame.outcomes[0]?.outcome;
    if (outcome !== undefined) return { outcome, records: [...records.values()] };
  }
}

let lease = 0;

/** As a store does: what is recorded stays, and gets its place when it has none. */
function keep(records: Map<string, Checkpoint>, given: Checkpoint): void {
  const known = records.get(given.name);
  const isPlaced = known !== undefined && known.seq === 0 && known.error === undefined && given.value.length === 0;
  records.set(given.name, isPlaced ? { ...known, seq: given.seq, asked: given.asked } : given);
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => [Math.random(), item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item);
}

function resultOf({ outcome }: Run): unknown {
  if (outcome.case !== "success") throw new Error(`ended with ${outcome.case}: ${JSON.stringify(outcome.value)}`);
  return jsonOf(outcome.value);
}

function failureOf({ outcome }: Run): Failure {
  if (outcome.case !== "failure") throw new Error(`ended with ${outcome.case}`);
  return outcome.value;
}

function mismatchOf({ outcome }: Run): string {
  if (outcome.case !== "release") throw new Error(`ended with ${outcome.case}`);
  return (outcome.value as Release).mismatch;
}

const start = (flow: Flow): Promise<WorkflowWorld> => WorkflowWorld.start(flow);

describe("branches beside each other", () => {
  test("find their own records, names and UUIDs, whichever was faster and however long they wait between", async () => {
    let isFirst = true;
    const item = async ({ step, uuid }: Context, name: string, fetchMs: number, waitMs: number): Promise<unknown> => {
      const fetched = await step("fetch", () => timer(fetchMs).then(() => `${name} fetched`));
      await timer(isFirst ? waitMs : 60 - waitMs);
      const key = uuid();
      return [fetched, key, await step("save", () => `${name} saved under ${key}`)];
    };
    await using world = await start(async (flow) => {
      const items = await Promise.all([
        item(flow, "slow", 50, 5),
        item(flow, "fast", 1, 20),
        item(flow, "mid", 20, 50),
      ]);
      return [...items, await flow.step("end", () => "end")];
    });
    const first = await run(world, []);
    isFirst = false;
    for (let cut = 0; cut <= first.records.length; cut++) {
      const again = await run(world, first.records.slice(0, cut));
      expect(resultOf(again)).toEqual(resultOf(first));
    }
  });

  test("the winner of a race stays the winner", async () => {
    const flow: Flow = async ({ step }) => {
      const slow = step("asked for first", () => timer(isFirst ? 40 : 0).then(() => "slow"));
      const fast = step("asked for second", () => "fast");
      const winner = await Promise.race([slow, fast]);
      return [winner, await slow, await fast];
    };
    let isFirst = true;
    await using world = await start(flow);
    const first = await run(world, []);
    isFirst = false;
    expect(resultOf(first)).toEqual(["fast", "slow", "fast"]);
    expect(resultOf(await run(world, first.records))).toEqual(["fast", "slow", "fast"]);
  });

  test("something is given when the handler has asked for as much as then", async () => {
    const order: string[] = [];
    await using world = await start(async ({ step }) => {
      const quick = step("quick", () => "quick").then((value) => order.push(value));
      const late = timer(150).then(() => {
        order.push("asked late");
        return step("late", () => "late");
      });
      await Promise.all([quick, late, step("slow", () => timer(400).then(() => 0)).then(() => order.push("slow"))]);
    });
    const first = await run(world, []);
    const before = order.splice(0);
    await run(world, first.records);
    expect(order).toEqual(before);
  });

  test("steps behind each other carry no identity of their own on record", async () => {
    await using world = await start(async ({ step, now }) => {
      for (let round = 0; round < 3; round++) await step("round", () => round);
      await now();
    });
    const { records } = await run(world, []);
    expect(records.map(({ name, seq, asked, op, alone }) => [name, seq, asked, op, alone])).toEqual([
      ["round", 1, 1, 0, true],
      ["round#2", 2, 2, 0, true],
      ["round#3", 3, 3, 0, true],
      ["now", 4, 4, 0, true],
    ]);
  });
});

describe("names", () => {
  test("that end with a number find their own records", async () => {
    const ran: string[] = [];
    await using world = await start(async ({ step, now }) => {
      for (let page = 1; page <= 3; page++) await step(`page#${page}`, () => void ran.push(`page#${page}`));
      const time = await now("time#1");
      await Promise.all([1, 2, 3].map((item) => step(`item #${item}`, () => void ran.push(`item #${item}`))));
      return time;
    });
    const first = await run(world, []);
    const count = ran.length;
    expect(resultOf(await run(world, first.records))).toBe(resultOf(first) as string);
    expect([ran.length, count]).toEqual([6, 6]);
  });

  test("P12: a wait that is registered keeps its name, and so its time, whichever of two is asked for first", async () => {
    let late = "a";
    await using world = await start(async ({ step, sleepFor, awaitAny }) => {
      const branch = async (name: string, wait: () => Promise<unknown>): Promise<void> => {
        await step(name, () => name);
        if (late === name) await timer(20);
        await wait();
      };
      await Promise.all([
        branch("a", () => sleepFor("nap", 60_000)),
        branch("b", () => awaitAny("any", [{ sleepFor: 60_000 }, { event: "e" }])),
        branch("c", () => sleepFor("nap", 60_000)),
      ]);
    });
    const parkOf = ({ outcome }: Run) => {
      if (outcome.case !== "park") throw new Error(`ended with ${outcome.case}`);
      return outcome.value;
    };
    const napsOf = (parked: Run) => parkOf(parked).waits.filter(({ op = 0 }) => op > 0);
    // It parks before the late one asks.
    const first = await run(world, []);
    const [known] = napsOf(first);
    expect(known?.name).toBe("nap");
    late = "c";
    const openWaits = [{ name: "nap", op: known?.op ?? 0 }];
    expect(napsOf(await run(world, first.records, { openWaits })).map(({ name }) => name)).toEqual(["nap#2"]);
    // Untold, it would take the name of the other one, and the time at which that is over.
    expect(napsOf(await run(world, first.records)).map(({ name }) => name)).toEqual(["nap"]);
    late = "a";
    // A registered wait is not sent again.
    const again = await run(world, first.records, { openWaits });
    expect(napsOf(again)).toEqual([]);
    expect(parkOf(again).waitingNames).toContain("nap");
  });

  test("of a step that was tried before a crash stays its own, whoever asks for it first", async () => {
    await using world = await start(async ({ step }) => {
      const first = await step("a", () => "first", { maxAttempts: 2 });
      return [first, await step("a", () => "second"), await step("a", () => "third")];
    });
    const tries = { ...checkpoint("value", "a/tries", { failed: 1, dueAt: 0, pauseMs: 0 }), kind: 8, op: FIRST };
    const { outcome, records } = await run(world, [tries]);
    expect(resultOf({ outcome, records })).toEqual(["first", "second", "third"]);
    expect(records.map(({ name }) => name)).toEqual(["a/tries", "a", "a#2", "a#3"]);
  });
});

/** Identity of the first operation named "a". */
const FIRST = operationId(ROOT_ID, CheckpointKind.STEP, "a", 1);

describe("failures", () => {
  test("one that the handler caught is a fact, with its name, its members and what it is", async () => {
    let charges = 0;
    await using world = await start(async ({ step }) => {
      const seen = await step("charge", () => {
        charges++;
        throw Object.assign(new RangeError("declined"), { code: "card_declined" });
      }).catch((error: unknown) => error as RangeError & { code: string });
      const { name, message, code } = seen as RangeError & { code: string };
      return [seen instanceof RangeError, name, message, code, await step("cancel", () => "cancelled")];
    });
    const first = await run(world, []);
    expect(resultOf(first)).toEqual([true, "RangeError", "declined", "card_declined", "cancelled"]);
    expect(resultOf(await run(world, first.records))).toEqual(resultOf(first));
    expect(charges).toBe(1);
  });

  const endings: readonly (readonly [string, Flow, readonly string[], readonly string[]])[] = [
    ["itself", ({ step }) => step("a", () => Promise.reject(new Error("no"))), ["a"], []],
    [
      "a cause of it",
      ({ step }) =>
        step("a", () => Promise.reject(new Error("no"))).catch((cause: unknown) => {
          throw new Error("wrapped", { cause: new Error("twice", { cause }) });
        }),
      ["a"],
      [],
    ],
    [
      "one of several",
      ({ step }) => Promise.any(["a", "b"].map((name) => step(name, () => Promise.reject(new Error(name))))),
      ["a", "b"],
      [],
    ],
    [
      "another one that does not name it",
      ({ step }) =>
        step("a", () => Promise.reject(new Error("no"))).catch(() => {
          throw new Error("said otherwise");
        }),
      [],
      [],
    ],
    [
      "none of what it was given",
      async ({ step }) => {
        await step("a", () => Promise.reject(new Error("no"))).catch(() => {});
        await step("b", () => 1);
        throw new Error("its own");
      },
      [],
      [],
    ],
    [
      "itself, after the handler went on",
      async ({ step }) => {
        await step("before", () => 0);
        const error = await step("a", () => Promise.reject(new Error("no"))).catch((caught: unknown) => caught);
        await step("b", () => 1);
        throw error;
      },
      ["a"],
      ["b"],
    ],
  ];
  for (const [what, flow, ended, loosened] of endings) {
    test(`the one that ended the attempt is found when the handler throws ${what}`, async () => {
      await using world = await start(flow);
      const { endedBy, loosened: loose } = failureOf(await run(world, []));
      expect(endedBy.map(({ name }) => name)).toEqual([...ended]);
      expect(loose.map(({ name }) => name)).toEqual([...loosened]);
      for (const { op } of [...endedBy, ...loose]) expect(op).toBeGreaterThan(1);
    });
  }

  test("the operation whose failure ended an attempt is tried again; what came behind it is not done again", async () => {
    const done: string[] = [];
    await using world = await start(async ({ step }) => {
      const act = (name: string) => step(name, () => void done.push(name));
      await act("before");
      const failed = await step("a", () => {
        done.push("a");
        if (done.filter((name) => name === "a").length < 2) throw new Error("not yet");
        return "at last";
      }).catch((error: unknown) => error);
      await act("behind");
      if (failed instanceof Error) throw failed;
      return failed;
    });
    const first = await run(world, []);
    const { endedBy, loosened } = failureOf(first);
    const records = first.records.map((record) => {
      const ref = [...endedBy, ...loosened].find(({ name }) => name === record.name);
      const endedAttempt = endedBy.some(({ name }) => name === record.name);
      return ref === undefined ? record : { ...record, op: ref.op, seq: 0, endedAttempt };
    });
    const second = await run(world, records, { attempt: 2, failures: 1 });
    expect(resultOf(second)).toBe("at last");
    expect(done).toEqual(["before", "a", "behind", "a"]);
    expect(second.records.map(({ name, seq }) => [name, seq])).toEqual([
      ["before", 1],
      ["a", 2],
      ["behind", 3],
    ]);
  });

  test("steps under way when the handler throws are recorded before the attempt ends", async () => {
    const done: string[] = [];
    await using world = await start(({ step }) => {
      const slow = (name: string) => step(name, () => timer(40).then(() => done.push(name)));
      return Promise.all([slow("a"), step("b", () => Promise.reject(new Error("at once"))), slow("c")]);
    });
    const { outcome, records } = await run(world, []);
    expect(outcome.case).toBe("failure");
    expect(done).toEqual(["a", "c"]);
    expect(records.map(({ name, seq }) => [name, seq])).toEqual([
      ["b", 1],
      ["a", 0],
      ["c", 0],
    ]);
  });

  test("what is recorded when the handler has failed has no place, as the daemon is told already what ended the attempt", async () => {
    await using world = await start(async ({ step, emitEvent }) => {
      const emitting = emitEvent("e");
      await step("b", () => Promise.reject(new Error("at once")));
      await emitting;
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    world.daemon.onEmitEvent = () => promise;
    expect((await run(world, [])).outcome.case).toBe("failure");
    resolve();
    const frame = await world.frame(({ checkpoints }) => checkpoints.length > 0);
    const [record] = frame.checkpoints;
    expect(record?.checkpoint).toMatchObject({ name: "emit:e", seq: 0, kind: CheckpointKind.VALUE });
    world.session.reply(frame);
  });
});

describe("changed code", () => {
  const recorded = async (flow: Flow): Promise<readonly Checkpoint[]> => {
    await using world = await start(flow);
    return (await run(world, [])).records;
  };
  const steps =
    (...names: readonly string[]): Flow =>
    async ({ step }) => {
      const values: unknown[] = [];
      for (const name of names) values.push(await step(name, () => `${name} now`));
      return values;
    };

  test("a step more runs, once; what is on record stays", async () => {
    const before = await recorded(steps("a", "b", "c"));
    await using world = await start(steps("a", "new", "b", "c", "new at the end"));
    const first = await run(world, before);
    expect(resultOf(first)).toEqual(["a now", "new now", "b now", "c now", "new at the end now"]);
    expect(first.records.map(({ name }) => name).sort()).toEqual(
      ["a", "b", "c", "drift:new", "new", "new at the end"].sort(),
    );
    const second = await run(world, first.records);
    expect(resultOf(second)).toEqual(resultOf(first));
    expect(second.records.filter(({ name }) => name.startsWith("new"))).toHaveLength(2);
  });

  test("a step less is passed over, and noted once", async () => {
    const before = await recorded(steps("a", "gone", "b", "c"));
    await using world = await start(steps("a", "b", "c", "d"));
    const first = await run(world, before);
    expect(resultOf(first)).toEqual(["a now", "b now", "c now", "d now"]);
    expect(first.records.filter(({ name }) => name.startsWith("drift:")).map(({ name }) => name)).toEqual([
      "drift:gone",
    ]);
    const second = await run(world, first.records);
    expect(resultOf(second)).toEqual(resultOf(first));
    expect(second.records).toHaveLength(first.records.length);
  });

  test("a name that was recorded as something else is told, and nothing runs", async () => {
    const before = await recorded(steps("a", "b"));
    await using world = await start(async ({ step, now }) => [
      await step("a", () => 0),
      await now("b"),
      await step("c", () => 1),
    ]);
    const { outcome, records } = await run(world, before);
    expect(mismatchOf({ outcome, records })).toBe('the handler asks for a value "b", which was recorded as a step');
    expect(records).toHaveLength(2);
  });

  test("branches that are others now are told after a while, and nothing runs", async () => {
    const before = await recorded(({ step }) => Promise.all(["a", "b", "c"].map((name) => step(name, () => name))));
    await using world = await start(({ step }) => Promise.all(["a", "x"].map((name) => step(name, () => name))));
    const { outcome, records } = await run(world, before, { timeoutMs: 1_000 });
    expect(mismatchOf({ outcome, records })).toContain('a step "a" was delivered after the handler had asked for 3');
    expect(records).toHaveLength(3);
  });

  test("a handler that returns early is told what it did not ask for", async () => {
    const before = await recorded(({ step }) => Promise.all(["a", "b"].map((name) => step(name, () => name))));
    await using world = await start(() => "nothing");
    expect(mismatchOf(await run(world, before))).toContain('without asking for these records: "a", "b"');
  });

  test("records without an order are found by name, in the order of their time", async () => {
    await using world = await start(async ({ step }) => {
      const order: unknown[] = [];
      await Promise.all(["a", "b"].map((name) => step(name, () => name).then((value) => order.push(value))));
      return [order, await step("a", () => "second a")];
    });
    const at = (name: string, value: string, seconds: number): Checkpoint => ({
      ...checkpoint("step", name, value),
      recordedAt: { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos: 0 },
    });
    const { outcome, records } = await run(world, [at("a", "A", 20), at("b", "B", 10)]);
    expect(resultOf({ outcome, records })).toEqual([["B", "A"], "second a"]);
    expect(records.find(({ name }) => name === "a#2")?.op).toBeUndefined();
  });
});
