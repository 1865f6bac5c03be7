/** How a handler that waits gives up its slot, and goes on where it stood. */
import { describe, expect, test } from "bun:test";
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { CheckpointJournal } from "../../../src/sdk/replay/checkpoint-journal.ts";
import { EventTimeoutError } from "../../../src/sdk/workflow/workflow-errors.ts";
import { until } from "./waiting.ts";
import { checkpoint, WorkflowWorld } from "./workflow-world.ts";

const CHILD = uuidV7();

describe("parking", () => {
  test("P14: a handler that sleeps frees its slot, and goes on in place under its new lease", async () => {
    let runs = 0;
    await using world = await WorkflowWorld.start(async ({ jobId, step, sleepFor }) => {
      runs++;
      if (jobId === "other") return "other";
      await sleepFor("nap", 5_000);
      return step("after", () => "slept");
    });
    world.assign("sleeper", 3);
    const park = await world.park();
    expect(park.waitingNames).toEqual(["nap"]);
    expect(park.waits[0]?.awaited.case).toBe("sleepMs");
    world.assign("other");
    expect(await world.success()).toBe("other");
    world.resume("sleeper", 8, [checkpoint("sleep", "nap")]);
    const frame = await world.frame(({ checkpoints }) => checkpoints.length > 0);
    expect(frame.checkpoints[0]).toMatchObject({ jobId: "sleeper", leaseToken: 8 });
    world.session.reply(frame);
    expect(await world.success()).toBe("slept");
    expect(runs).toBe(2);
  });

  test("waits until no step is under way; what was told once is not told again", async () => {
    let endStep: (() => void) | undefined;
    await using world = await WorkflowWorld.start(async ({ step, sleepFor, awaitEvent }) => {
      const naps = [sleepFor("a", 60_000), awaitEvent("b")];
      await step("busy", () => new Promise<void>((resolve) => (endStep = resolve)));
      await Promise.all(naps);
      await sleepFor("c", 1);
      return "done";
    });
    world.assign("job", 1);
    await until(() => endStep !== undefined);
    await Bun.sleep(20);
    expect(world.session.received.flatMap(({ outcomes }) => outcomes)).toEqual([]);
    endStep?.();
    await world.recorded();
    expect((await world.park()).waitingNames).toEqual(["a", "b"]);
    world.resume("job", 2, [checkpoint("sleep", "a")]);
    const second = await world.park();
    expect(second).toMatchObject({ waits: [], waitingNames: ["b"] });
    world.resume("job", 3, [checkpoint("event", "b", { n: 1 })]);
    expect((await world.park()).waits.map(({ name }) => name)).toEqual(["c"]);
    world.resume("job", 4, [checkpoint("sleep", "c")]);
    expect(await world.success()).toBe("done");
  });

  test("P12: a sleep beside a step ends at its time, recorded", async () => {
    let isAwake = false;
    await using world = await WorkflowWorld.start(async ({ step, sleepFor }) => {
      const nap = sleepFor("nap", 10).then(() => (isAwake = true));
      await step("busy", async () => {
        await until(() => isAwake);
      });
      await nap;
    });
    world.assign("job", 1);
    expect(await world.recorded()).toMatchObject([{ name: "nap", kind: CheckpointKind.SLEEP }]);
    expect(await world.recorded()).toMatchObject([{ name: "busy" }]);
    expect(await world.success()).toBe(null);
  });

  test("names made from the longest names are short enough for the daemon, and the same in every execution", async () => {
    const long = `${"é".repeat(49)}😀${"é".repeat(77)}`;
    await using world = await WorkflowWorld.start(async ({ step, awaitAny, awaitEvent }) => {
      const options = { maxAttempts: 2, initialDelayMs: 60_000 };
      const tried = step(long, ({ attempt }) => Promise.reject(new Error(`no ${attempt}`)), options).catch(() => {});
      await Promise.all([tried, awaitAny(long, [{ event: long }]), awaitEvent(long), awaitEvent(long)]);
    });
    world.assign("one");
    const first = await world.park();
    expect(first.waitingNames).toHaveLength(4);
    for (const name of first.waitingNames) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(256);
    expect(new Set(first.waitingNames).size).toBe(4);
    world.assign("two");
    expect((await world.park()).waitingNames).toEqual(first.waitingNames);
  });

  test("names come back from the daemon as they went, also cut ones and halves of characters", () => {
    const journal = new CheckpointJournal([], [], false);
    const long = `${"é".repeat(49)}😀${"é".repeat(77)}`;
    const names = [long, long, "half \ud83d"].map((name) => journal.takeName(name));
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(Buffer.from(name).toString()).toBe(name);
  });

  test("a replayed execution passes what is over and parks on what is not", async () => {
    await using world = await WorkflowWorld.start(async ({ sleepFor, awaitEvent }) => {
      await sleepFor("a", 1);
      return awaitEvent<{ by: string }>("approved");
    });
    world.assign("job", 5, { checkpoints: [checkpoint("sleep", "a")] });
    const { waits } = await world.park();
    expect(waits).toMatchObject([{ name: "approved", awaited: { case: "eventName", value: "approved" } }]);
    world.resume("job", 6, [checkpoint("event", "approved", { by: "Ada" })]);
    expect(await world.success()).toEqual({ by: "Ada" });
  });

  test("P13: the wait for an event ends at its timeout with an error of its own", async () => {
    await using world = await WorkflowWorld.start(({ awaitEvent }) =>
      awaitEvent("never", { timeoutMs: 1_000 }).catch((error: unknown) =>
        error instanceof EventTimeoutError ? `${error.eventName} ${error.timeoutMs}` : "other",
      ),
    );
    world.assign("job");
    const { waits } = await world.park();
    expect(Number(waits[0]?.timeoutMs)).toBeGreaterThan(900);
    world.resume("job", 2, [checkpoint("event", "never", undefined, { timedOut: true })]);
    expect(await world.success()).toBe("never 1000");
  });

  test("P10: a revoked parked handler unwinds without a slot and without a report", async () => {
    const faults: string[] = [];
    await using world = await WorkflowWorld.start(async ({ sleepFor, step, signal }) => {
      await sleepFor("nap", 60_000).catch((error: Error) => faults.push(error.name));
      await step("after", () => 1).catch((error: Error) => faults.push(error.name));
      faults.push(`aborted ${signal.aborted}`);
    });
    world.assign("job", 3);
    await world.park();
    world.session.send({ revocations: [{ jobId: "job", leaseToken: 3, reason: "cancelled" }] });
    await until(() => faults.length === 3);
    expect(faults).toEqual(["JobCancelledError", "JobCancelledError", "aborted true"]);
    world.assign("next", 1, { checkpoints: [checkpoint("sleep", "nap"), checkpoint("step", "after")] });
    expect(await world.outcome()).toMatchObject({ jobId: "next" });
  });

  test("a handler that goes on by itself asks for its slot, once the park is on record", async () => {
    let goOn: () => void = () => {};
    await using world = await WorkflowWorld.start(async ({ sleepFor, step }) => {
      await Promise.race([sleepFor("year", 3e10), new Promise<void>((resolve) => (goOn = resolve))]);
      return step("after", () => "early");
    });
    world.assign("job", 3);
    const frame = await world.frame(({ outcomes }) => outcomes.length > 0);
    goOn();
    await Bun.sleep(20);
    world.session.reply(frame);
    const { wakes } = await world.frame(({ wakes }) => wakes.length > 0);
    expect(wakes).toMatchObject([{ jobId: "job", leaseToken: 3 }]);
    const again = await world.cut();
    again.welcome();
    const repeated = await world.frame(({ wakes }) => wakes.length > 0);
    expect(repeated.wakes).toMatchObject([{ jobId: "job", leaseToken: 3 }]);
    world.session.reply(repeated);
    world.resume("job", 4);
    await world.recorded();
    expect(await world.success()).toBe("early");
  });

  test("a new wait of a parked handler asks for a slot, to be told to the daemon", async () => {
    let goOn: () => void = () => {};
    await using world = await WorkflowWorld.start(async ({ sleepFor, awaitEvent }) => {
      const year = sleepFor("year", 3e10);
      await Promise.race([year, new Promise<void>((resolve) => (goOn = resolve))]);
      await Promise.race([year, awaitEvent("later")]);
    });
    world.assign("job", 3);
    await world.park();
    goOn();
    world.session.reply(await world.frame(({ wakes }) => wakes.length > 0));
    world.resume("job", 4);
    expect(await world.park()).toMatchObject({ waits: [{ name: "later" }], waitingNames: ["year", "later"] });
  });

  test("a handler whose park was recorded unheard can ask for its slot", async () => {
    let goOn: () => void = () => {};
    await using world = await WorkflowWorld.start(async ({ sleepFor }) => {
      await Promise.race([sleepFor("year", 3e10), new Promise<void>((resolve) => (goOn = resolve))]);
    });
    world.assign("job", 3);
    await world.frame(({ outcomes }) => outcomes.length > 0);
    const again = await world.cut();
    again.welcome(15_000, { lostLeases: [{ jobId: "job", leaseToken: 3, started: true }] });
    goOn();
    const { wakes } = await world.frame(({ wakes }) => wakes.length > 0);
    expect(wakes).toMatchObject([{ jobId: "job", leaseToken: 3 }]);
  });

  test("a handler that returns while it is parked is reported when it has its slot", async () => {
    let goOn: () => void = () => {};
    await using world = await WorkflowWorld.start(async ({ sleepFor }) => {
      await Promise.race([sleepFor("year", 3e10), new Promise<void>((resolve) => (goOn = resolve))]);
      return "early";
    });
    world.assign("job", 3);
    await world.park();
    goOn();
    const frame = await world.frame(({ wakes }) => wakes.length > 0);
    world.session.reply(frame);
    world.resume("job", 4);
    expect(await world.outcome()).toMatchObject({ leaseToken: 4, outcome: { case: "success" } });
  });

  test("beyond maxParkedHandlers the one that has waited longest is let go, and handed back when its time comes", async () => {
    await using world = await WorkflowWorld.start(({ sleepFor }) => sleepFor("nap", 60_000), { maxParkedHandlers: 1 });
    world.assign("first");
    await world.park();
    world.assign("second");
    await world.park();
    world.resume("first", 2, [checkpoint("sleep", "nap")]);
    expect(await world.outcome()).toMatchObject({
      jobId: "first",
      outcome: { case: "release", value: { started: true } },
    });
    world.resume("second", 2, [checkpoint("sleep", "nap")]);
    expect(await world.outcome()).toMatchObject({ jobId: "second", outcome: { case: "success" } });
  });

  test("P7: parked handlers outlive a break, also one in which the answer to their park was lost", async () => {
    let runs = 0;
    await using world = await WorkflowWorld.start(async ({ sleepFor }) => {
      runs++;
      await sleepFor("nap", 60_000);
      return "slept";
    });
    world.assign("job", 3);
    await world.frame(({ outcomes }) => outcomes.length > 0);
    const again = await world.cut();
    expect(again.hello.heldLeases).toMatchObject([{ jobId: "job", leaseToken: 3 }]);
    again.welcome(15_000, { lostLeases: [{ jobId: "job", leaseToken: 3, started: true }] });
    world.resume("job", 4, [checkpoint("sleep", "nap")]);
    expect(await world.success()).toBe("slept");
    expect(runs).toBe(1);
  });

  test("a park without an answer is told again when its lease is still held", async () => {
    await using world = await WorkflowWorld.start(({ sleepFor }) => sleepFor("nap", 60_000));
    world.assign("job", 3);
    await world.frame(({ outcomes }) => outcomes.length > 0);
    const again = await world.cut();
    again.welcome();
    expect((await world.park()).waits).toMatchObject([{ name: "nap" }]);
  });

  test("a job that comes from the beginning leaves the parked handler behind", async () => {
    let runs = 0;
    await using world = await WorkflowWorld.start(async ({ sleepFor }) => {
      const run = ++runs;
      await sleepFor("nap", 60_000);
      return run;
    });
    world.assign("job", 3);
    await world.park();
    world.assign("job", 5, { attempt: 2, checkpoints: [checkpoint("sleep", "nap")] });
    expect(await world.success()).toBe(2);
  });

  test("a handler that was left behind lets go of the jobs that it awaited", async () => {
    let runs = 0;
    await using world = await WorkflowWorld.start(async () => {
      if (++runs === 1) await world.client.handle(CHILD).result();
    });
    world.assign("job", 3);
    await world.park();
    world.assign("job", 5, { attempt: 2 });
    const frame = await world.frame(({ unawaitJobIds }) => unawaitJobIds.length > 0);
    expect(frame.unawaitJobIds).toEqual([CHILD]);
    world.session.reply(frame);
  });

  test("P17: stopping with parked handlers takes no time and tells the daemon nothing of them", async () => {
    const world = await WorkflowWorld.start(({ sleepFor }) => sleepFor("nap", 60_000));
    world.assign("job", 3);
    await world.park();
    world.answerAll();
    const before = performance.now();
    await world.client.stop();
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(world.session.received.flatMap(({ outcomes }) => outcomes)).toHaveLength(1);
    await world.daemon.stop();
  });

  test("checkpoints may come before their assignment, in frames of their own", async () => {
    await using world = await WorkflowWorld.start(({ step }) => Promise.all([step("a", () => 1), step("b", () => 2)]));
    world.session.send({ checkpoints: [{ jobId: "job", leaseToken: 2, checkpoint: checkpoint("step", "a", "A") }] });
    world.session.send({ checkpoints: [{ jobId: "job", leaseToken: 2, checkpoint: checkpoint("step", "b", "B") }] });
    world.session.send({
      assignments: [{ jobId: "job", leaseToken: 2, functionName: "t:flow", attempt: 1, checkpointCount: 2 }],
    });
    expect(await world.success()).toEqual(["A", "B"]);
  });
});
