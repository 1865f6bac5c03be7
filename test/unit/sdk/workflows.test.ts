import { describe, expect, test } from "bun:test";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { type Checkpoint, CheckpointKind, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { shownName } from "#proto/contract.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { CheckpointJournal } from "../../../src/sdk/replay/checkpoint-journal.ts";
import type { Context } from "../../../src/sdk/context.ts";
import { ReseolioError } from "../../../src/sdk/errors.ts";
import type { JobHandle } from "../../../src/sdk/job-handle.ts";
import { EventTimeoutError, StepFailedError } from "../../../src/sdk/workflow/workflow-errors.ts";
import { until } from "./waiting.ts";
import { checkpoint, jsonBytes, jsonOf, WorkflowWorld } from "./workflow-world.ts";

const CHILD = uuidV7();

const faultName = (error: unknown): string => (error instanceof ReseolioError ? error.code : String(error));

describe("a step", () => {
  test("is recorded under the lease before the handler goes on, as it reads after JSON", async () => {
    const seen: unknown[] = [];
    await using world = await WorkflowWorld.start(async ({ step }) => {
      seen.push(await step("when", () => ({ at: new Date(0), none: undefined })));
      return "done";
    });
    world.assign("job", 7);
    const frame = await world.frame(({ checkpoints }) => checkpoints.length > 0);
    expect(frame.checkpoints[0]).toMatchObject({ jobId: "job", leaseToken: 7, checkpoint: { name: "when", kind: 1 } });
    expect(jsonOf(frame.checkpoints[0]?.checkpoint?.value ?? new Uint8Array(0))).toEqual({
      at: "1970-01-01T00:00:00.000Z",
    });
    expect(seen).toEqual([]);
    world.session.reply(frame);
    expect(await world.success()).toBe("done");
    expect(seen).toEqual([{ at: "1970-01-01T00:00:00.000Z" }]);
  });

  test("P11: that is recorded is not run again; the others are", async () => {
    const runs: string[] = [];
    await using world = await WorkflowWorld.start(async ({ step }) => {
      const run = (name: string) => step(name, () => runs.push(name));
      return [await run("a"), await run("b"), await run("a")];
    });
    world.assign("job", 2, { checkpoints: [checkpoint("step", "a", "first"), checkpoint("step", "a#2", "second")] });
    expect((await world.recorded()).map(({ name }) => name)).toEqual(["b"]);
    expect(await world.success()).toEqual(["first", 1, "second"]);
    expect(runs).toEqual(["b"]);
  });

  test("beside others goes into one frame with them", async () => {
    await using world = await WorkflowWorld.start(({ step }) => Promise.all([1, 2, 3].map((n) => step("n", () => n))));
    world.assign("job");
    expect((await world.recorded()).map(({ name }) => name)).toEqual(["n", "n#2", "n#3"]);
    expect(await world.success()).toEqual([1, 2, 3]);
  });

  test("whose name was recorded as something else names both", async () => {
    await using world = await WorkflowWorld.start(({ step }) => step("a", () => 1));
    world.assign("job", 1, { checkpoints: [checkpoint("sleep", "a")] });
    const { outcome } = await world.outcome();
    expect(outcome.case).toBe("release");
    expect(outcome.value).toMatchObject({
      started: true,
      mismatch: 'the handler asks for a step "a", which is on record as a sleep',
    });
  });

  test("inside a step, and any wait inside one, is refused with both names", async () => {
    const faults: string[] = [];
    await using world = await WorkflowWorld.start((flow) =>
      flow.step("outer", async () => {
        const inner = [
          () => flow.step("inner", () => 1),
          () => flow.sleepFor("nap", 1),
          () => flow.awaitEvent("e"),
          () => world.client.handle(CHILD).result(),
          async () => flow.uuid(),
        ];
        for (const call of inner) await call().catch((error: Error) => faults.push(error.message));
      }),
    );
    world.assign("job");
    await world.recorded();
    await world.success();
    expect(faults).toHaveLength(5);
    for (const fault of faults) expect(fault).toContain('inside the step "outer"');
    expect(faults[0]).toContain('step "inner"');
  });

  test("that its handler does not await is told of; one that fails beside another that ended the handler is not", async () => {
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message), error() {} };
    const forget = async ({ step, attempt }: Context): Promise<string> => {
      const slow = step("slow", () => Bun.sleep(50));
      if (attempt === 1) throw new Error("other reasons");
      if (attempt === 2) await slow;
      return "done";
    };
    await using world = await WorkflowWorld.start(forget, { logger });
    world.assign("job", 1);
    await world.failure();
    world.assign("job", 2, { attempt: 2 });
    await world.recorded();
    expect(await world.success()).toBe("done");
    expect(warnings).toEqual([]);
    world.assign("job", 3, { attempt: 3 });
    expect(await world.success()).toBe("done");
    expect(warnings).toEqual([expect.stringContaining("a step or a call was still running")]);
  });

  test("that JSON would change is refused with the path of the value", async () => {
    await using world = await WorkflowWorld.start(({ step }) => step("sum", () => ({ total: Number.NaN })));
    world.assign("job");
    expect((await world.failure()).message).toContain('step "sum".total is NaN');
  });

  test("without attempts of its own gives its error to the handler, on record", async () => {
    await using world = await WorkflowWorld.start(({ step }) =>
      step("a", () => Promise.reject(new RangeError("no"))).catch((error: unknown) => (error as Error).name),
    );
    world.assign("job");
    expect(await world.recorded()).toMatchObject([{ name: "a", error: { name: "RangeError", message: "no" } }]);
    expect(await world.success()).toBe("RangeError");
  });

  test("with attempts of its own is tried again; each failed one and the last error are on record", async () => {
    let tries = 0;
    await using world = await WorkflowWorld.start(({ step }) =>
      step("a", ({ attempt }) => Promise.reject(new Error(`no ${attempt} ${++tries}`)), {
        maxAttempts: 3,
        initialDelayMs: 1,
      }).catch((error: unknown) => (error instanceof StepFailedError ? (error.cause as Error).message : "other")),
    );
    world.assign("job", 1);
    const records = [...(await world.recorded()), ...(await world.recorded()), ...(await world.recorded())];
    const [once, twice, failed] = records as [Checkpoint, Checkpoint, Checkpoint];
    expect([once, twice].map(({ name, kind, value }) => [name, kind, jsonOf(value)])).toMatchObject([
      ["a/tries", CheckpointKind.TRY, { failed: 1 }],
      ["a/tries", CheckpointKind.TRY, { failed: 2 }],
    ]);
    expect(failed).toMatchObject({ name: "a", kind: CheckpointKind.STEP, seq: 1, error: { message: "no 3 3" } });
    expect(await world.success()).toBe("no 3 3");
    world.assign("again", 1, { failures: 2, checkpoints: [twice, failed] });
    expect(await world.success()).toBe("no 3 3");
    expect(tries).toBe(3);
    world.assign("after a crash", 1, { checkpoints: [twice] });
    expect(await world.recorded()).toMatchObject([{ name: "a", error: { message: "no 3 4" } }]);
    expect(await world.success()).toBe("no 3 4");
    const endedAttempt = { ...failed, endedAttempt: true, seq: 0, recordedAt: timestampNow() };
    world.assign("later", 1, { failures: 1, checkpoints: [twice, endedAttempt] });
    expect(await world.success()).toBe("no 3 7");
  });

  test("without an order its last error counts until an attempt of the job has failed", async () => {
    let tries = 0;
    await using world = await WorkflowWorld.start(({ step }) =>
      step("a", () => Promise.reject(new Error(`no ${++tries}`)), { maxAttempts: 1 }).catch(
        (error: unknown) => (error as StepFailedError).message,
      ),
    );
    const failed = checkpoint("step", "a", undefined, { error: "no", failures: 2 });
    world.assign("again", 1, { failures: 2, checkpoints: [failed] });
    expect(await world.success()).toBe('step "a" failed for good: no');
    world.assign("later", 1, { failures: 3, checkpoints: [failed] });
    expect(await world.recorded()).toMatchObject([{ name: "a", failures: 3, error: { message: "no 1" } }]);
    expect(await world.success()).toBe('step "a" failed for good: no 1');
  });

  test("that throws a TerminalError is not tried again and ends the job", async () => {
    let tries = 0;
    await using world = await WorkflowWorld.start(({ step }) =>
      step(
        "a",
        () => {
          tries++;
          throw Object.assign(new Error("never"), { name: "TerminalError" });
        },
        { maxAttempts: 5 },
      ),
    );
    world.assign("job");
    await world.recorded();
    expect(await world.failure()).toMatchObject({ name: "StepFailedError", terminal: true });
    expect(tries).toBe(1);
  });

  test("waits for its next attempt without a slot when that is long, and counts attempts over executions", async () => {
    const attempts: number[] = [];
    const flow = (): Promise<WorkflowWorld> =>
      WorkflowWorld.start(({ step }) =>
        step(
          "a",
          ({ attempt }) => {
            attempts.push(attempt);
            if (attempt < 3) throw new Error("not yet");
            return "well";
          },
          { maxAttempts: 3, backoff: "fixed", initialDelayMs: 60_000, jitter: 0 },
        ),
      );
    await using world = await flow();
    world.assign("job");
    const { waits, waitingNames } = await world.park();
    expect(waitingNames).toEqual(["a/retry-1"]);
    // What the attempt itself took is gone from it.
    const leftMs = waits[0]?.awaited.case === "sleepMs" ? Number(waits[0].awaited.value) : 0;
    expect(leftMs).toBeWithin(55_000, 60_001);
    world.assign("job", 3, { attempt: 2, checkpoints: [checkpoint("sleep", "a/retry-1")] });
    expect((await world.park()).waitingNames).toEqual(["a/retry-2"]);
    world.assign("job", 5, { attempt: 2, resumed: true, checkpoints: [checkpoint("sleep", "a/retry-2")] });
    await world.recorded();
    expect(await world.success()).toBe("well");
    expect(attempts).toEqual([1, 2, 3]);
  });

  test("whose time is over fails although it does not listen", async () => {
    await using world = await WorkflowWorld.start(({ step }) =>
      step("a", () => new Promise(() => {}), { timeoutMs: 20 }),
    );
    world.assign("job");
    expect(await world.failure()).toMatchObject({ name: "TimeoutError", message: expect.stringContaining('step "a"') });
  });

  test("that the daemon refuses fails with the daemon's reason", async () => {
    await using world = await WorkflowWorld.start(({ step }) => step("a", () => 1));
    world.assign("job");
    const { frameId } = await world.frame(({ checkpoints }) => checkpoints.length > 0);
    world.session.send({ replies: [{ frameId, recorded: [{ result: 4, message: "10,000 are recorded already" }] }] });
    expect((await world.failure()).message).toContain("10,000 are recorded already");
  });

  test("P2: whose answer was lost is recorded again under the same name and lease", async () => {
    let runs = 0;
    await using world = await WorkflowWorld.start(({ step }) => step("a", () => ++runs));
    world.assign("job", 4);
    await world.frame(({ checkpoints }) => checkpoints.length > 0);
    const again = await world.cut();
    expect(again.hello.heldLeases).toMatchObject([{ jobId: "job", leaseToken: 4, started: true }]);
    again.welcome();
    const [repeated] = await world.recorded();
    expect(repeated).toMatchObject({ name: "a" });
    expect(await world.success()).toBe(1);
    expect(runs).toBe(1);
  });
});

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

describe("the first of several", () => {
  const decide = (): Promise<WorkflowWorld> =>
    WorkflowWorld.start(async ({ awaitAny, sleepFor }) => {
      const first = await awaitAny("decision", [{ event: "yes" }, { event: "no" }, { sleepFor: 60_000 }]);
      await sleepFor("after", 1);
      return first;
    });

  test.each([
    [[], "pass a list of at least one thing to await"],
    [[null], "null is not one thing to await"],
    [[{}], "{} is not one thing to await"],
    [[{ event: "a", sleepFor: 1 }], "is not one thing to await"],
    [[{ events: "a" }], '{"events":"a"} cannot be awaited'],
    [[{ event: "" }], "event is 0 bytes long"],
    [[{ job: "nope" }], 'jobId is "nope"; use a job ID'],
    [[{ job: {} }], "jobId is undefined"],
    [[{ sleepFor: Number.NaN }], "sleepFor is NaN"],
    [[{ sleepUntil: new Date(Number.NaN) }], "sleepUntil is Invalid Date"],
    [[{ sleepUntil: new Date(8.64e15) }], "use a Date up to the year 9999"],
  ])("of %p is refused before anything is told", async (sources, fault) => {
    await using world = await WorkflowWorld.start(({ awaitAny }) => awaitAny("x", sources as never));
    world.assign("job");
    expect((await world.failure()).message).toContain(fault);
  });

  test("is recorded before the handler is told; the others are awaited no more", async () => {
    await using world = await decide();
    world.assign("job", 1);
    const { waitingNames } = await world.park();
    expect(waitingNames.map(shownName)).toEqual(["decision[0]", "decision[1]", "decision[2]"]);
    world.resume("job", 2, [checkpoint("event", waitingNames[1] ?? "", { by: "Ada" })]);
    const [choice] = await world.recorded();
    expect(choice).toMatchObject({ name: "decision", kind: CheckpointKind.CHOICE });
    expect((await world.park()).waitingNames).toEqual(["after"]);
    world.resume("job", 3, [checkpoint("sleep", "after")]);
    expect(await world.success()).toEqual({ index: 1, value: { by: "Ada" } });
  });

  test("stays the first in later executions, whatever else has happened since", async () => {
    await using world = await decide();
    const checkpoints = [
      checkpoint("event", "decision[0]", "late"),
      checkpoint("event", "decision[1]", "first"),
      checkpoint("sleep", "decision[2]"),
      checkpoint("choice", "decision", 1),
      checkpoint("sleep", "after"),
    ];
    world.assign("job", 1, { checkpoints });
    expect(await world.success()).toEqual({ index: 1, value: "first" });
  });
});

describe("children", () => {
  test("have a key made from what they are: the same in every execution, in any order of calls and members", async () => {
    const keysOf = async (calls: readonly [string, unknown][]): Promise<string[]> => {
      await using world = await WorkflowWorld.start(async () => {
        for (const [name, argument] of calls) await world.client.enqueue(name, [argument]);
      });
      world.assign("0198f000-0000-7000-8000-000000000001");
      const keys: string[] = [];
      while (keys.length < calls.length) {
        const frame = await world.frame(({ enqueues }) => enqueues.length > 0);
        for (const { options, parentId } of frame.enqueues) keys.push(`${parentId} ${options?.idempotencyKey}`);
        world.session.reply(frame);
      }
      await world.success();
      return keys;
    };
    const first = await keysOf([
      ["t:a", { x: 1, y: 2 }],
      ["t:a", { x: 1, y: 2 }],
      ["t:b", { x: 1, y: 2 }],
    ]);
    expect(new Set(first).size).toBe(3);
    const second = await keysOf([
      ["t:b", { y: 2, x: 1 }],
      ["t:a", { y: 2, x: 1 }],
      ["t:a", { x: 1, y: 2 }],
    ]);
    expect(second.sort()).toEqual(first.sort());
  });

  test("that are found again are no duplicates to tell of; an explicit key stays as it is", async () => {
    const told: unknown[] = [];
    await using world = await WorkflowWorld.start(async () => {
      const derived = await world.client.enqueue("t:a", []);
      const explicit = await world.client.enqueue("t:a", [], { idempotencyKey: "mine" });
      return [derived.jobId, explicit.jobId];
    });
    world.client.on("deduplicated", ({ idempotencyKey }) => told.push(idempotencyKey));
    world.assign("job");
    for (const jobId of ["one", "two"]) {
      const { frameId } = await world.frame(({ enqueues }) => enqueues.length > 0);
      const value = { jobId, deduplicated: true, argsDiffer: false, state: JobState.SUCCESS };
      world.session.send({ replies: [{ frameId, enqueued: [{ result: { case: "job", value } }] }] });
    }
    expect(await world.success()).toEqual(["one", "two"]);
    expect(told).toEqual(["mine"]);
  });

  test("whose failure ended an attempt of the parent are retried; others that ended badly stay as they are", async () => {
    const retried: string[] = [];
    await using world = await WorkflowWorld.start(async () => (await world.client.enqueue("t:a", [])).jobId);
    world.daemon.onRetryJob = (jobId, awaitedBy) => retried.push(`${jobId} for ${awaitedBy}`);
    const dead = { jobId: CHILD, deduplicated: true, state: JobState.DEAD };
    const call = async (checkpoints: readonly Checkpoint[]): Promise<unknown> => {
      world.assign("job", 1, { failures: 1, checkpoints });
      const { frameId } = await world.frame(({ enqueues }) => enqueues.length > 0);
      world.session.send({ replies: [{ frameId, enqueued: [{ result: { case: "job", value: dead } }] }] });
      return world.success();
    };
    const known = { ...checkpoint("job", `job:${CHILD}`, undefined, { error: "no" }), op: 7 };
    expect(await call([{ ...known, seq: 1, asked: 2, alone: true }])).toBe(CHILD);
    expect(retried).toEqual([]);
    expect(await call([{ ...known, endedAttempt: true }])).toBe(CHILD);
    expect(retried).toEqual([`${CHILD} for job`]);
  });

  test("P14: awaiting one parks the parent; its result is handed over when the parent has its slot", async () => {
    await using world = await WorkflowWorld.start(() => world.client.handle<string>(CHILD).result());
    world.assign("parent", 1);
    const park = await world.park();
    expect(park.waits).toMatchObject([{ name: `job:${CHILD}`, awaited: { case: "jobId", value: CHILD } }]);
    world.session.send({ finished: [{ jobId: CHILD, state: JobState.SUCCESS, result: jsonBytes("grown") }] });
    world.resume("parent", 2, [checkpoint("job", `job:${CHILD}`)]);
    expect(await world.success()).toBe("grown");
  });

  test("that ends before the parent has a slot lets it stand still until then", async () => {
    const seen: string[] = [];
    await using world = await WorkflowWorld.start(async () => {
      seen.push(await world.client.handle<string>(CHILD).result());
    });
    world.assign("parent", 1);
    await world.park();
    world.session.send({ finished: [{ jobId: CHILD, state: JobState.SUCCESS, result: jsonBytes("grown") }] });
    await Bun.sleep(30);
    expect(seen).toEqual([]);
    world.resume("parent", 2, [checkpoint("job", `job:${CHILD}`)]);
    await world.success();
    expect(seen).toEqual(["grown"]);
  });

  test("in great numbers are told in part; the ends of the others are gathered, and the parent asks for its slot", async () => {
    const ids = Array.from({ length: 100 }, uuidV7);
    const ended = (id: string) => ({ jobId: id, state: JobState.SUCCESS, result: jsonBytes(id) });
    await using world = await WorkflowWorld.start(() =>
      Promise.all(ids.map((id) => world.client.handle<string>(id).result())),
    );
    world.assign("parent", 1);
    const { waits, waitingNames } = await world.park();
    expect(waits).toHaveLength(32);
    expect(waitingNames).toEqual(ids.slice(68).map((id) => `job:${id}`));
    world.session.send({ finished: ids.slice(0, 60).map(ended) });
    const wake = await world.frame(({ wakes }) => wakes.length > 0);
    expect(wake.wakes).toHaveLength(1);
    world.session.reply(wake);
    world.resume("parent", 2);
    expect(await world.park()).toMatchObject({ waits: [], waitingNames });
    world.session.send({ finished: ids.slice(60).map(ended) });
    world.resume(
      "parent",
      3,
      waitingNames.map((name) => checkpoint("job", name)),
    );
    expect(await world.success()).toEqual(ids);
  });

  test("whose end is on its way does not park the parent again", async () => {
    await using world = await WorkflowWorld.start(() => world.client.handle<string>(CHILD).result());
    world.assign("parent", 1);
    await world.park();
    world.resume("parent", 2, [checkpoint("job", `job:${CHILD}`)]);
    await Bun.sleep(20);
    world.session.send({ finished: [{ jobId: CHILD, state: JobState.SUCCESS, result: jsonBytes("grown") }] });
    expect(await world.success()).toBe("grown");
  });

  test("a timeout of result() is recorded: every execution sees the same", async () => {
    const flow = async (): Promise<string> =>
      world.client
        .handle<string>(CHILD)
        .result(5_000)
        .catch((error: unknown) => faultName(error));
    await using world = await WorkflowWorld.start(flow);
    world.assign("parent", 1);
    const { waitingNames } = await world.park();
    const [job = "", sleep = ""] = waitingNames;
    expect([job, sleep].map(shownName)).toEqual([`result:${CHILD}[0]`, `result:${CHILD}[1]`]);
    world.resume("parent", 2, [checkpoint("sleep", sleep)]);
    const [choice] = await world.recorded();
    expect(await world.success()).toBe("result_timeout");
    const checkpoints = [{ ...checkpoint("sleep", sleep), op: 0 }, ...(choice === undefined ? [] : [choice])];
    world.assign("parent", 3, { attempt: 2, checkpoints });
    expect(await world.success()).toBe("result_timeout");
  });
});

describe("values", () => {
  test("read the same in every execution", async () => {
    await using world = await WorkflowWorld.start(async ({ now, random, uuid }) => [
      (await now()).getTime(),
      random(),
      random(),
      uuid(),
      uuid("named"),
    ]);
    const jobId = "0198f000-0000-7000-8000-000000000001";
    world.assign(jobId);
    const recorded = await world.recorded();
    const first = (await world.success()) as number[];
    world.assign(jobId, 2, { attempt: 2, checkpoints: recorded });
    expect(await world.success()).toEqual(first);
    expect(new Set(first).size).toBe(5);
    expect(first[3]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("a heartbeat gives more time, here and in the daemon, also after a break", async () => {
    let end: () => void = () => {};
    await using world = await WorkflowWorld.start(async ({ heartbeat }) => {
      heartbeat(60_000);
      await new Promise<void>((resolve) => (end = resolve));
    });
    world.assign("job", 3, { timeoutMs: 50 });
    const { heartbeats } = await world.frame(({ heartbeats }) => heartbeats.length > 0);
    expect(heartbeats).toMatchObject([{ jobId: "job", leaseToken: 3, extendMs: 60_000 }]);
    const again = await world.cut();
    const [lease] = again.hello.heldLeases;
    expect(lease?.timeLeftMs).toBeGreaterThan(50_000);
    again.welcome();
    end();
    expect(await world.success()).toBe(null);
  });

  test("a handler that has ended cannot be called back to", async () => {
    let late: Promise<unknown> = Promise.resolve();
    await using world = await WorkflowWorld.start(({ step }) => {
      late = Bun.sleep(10).then(() => step("late", () => 1));
      late.catch(() => {});
      return "ended";
    });
    world.assign("job");
    expect(await world.success()).toBe("ended");
    const fault = await late.then(
      () => "none",
      (error: unknown) => String(error),
    );
    expect(fault).toContain("the handler of job job has ended");
  });
});

test("what the operations of a context are given is refused with the operation, the value, and what is right", async () => {
  type Call = (flow: Context, bad: never) => Promise<unknown>;
  const cases: readonly (readonly [Call, unknown, string])[] = [
    [(flow, bad) => flow.awaitSignal("s", bad), 100, 'awaitSignal "s": the options are 100; pass an object'],
    [(flow, bad) => flow.awaitEvent("e", bad), 5, 'awaitEvent "e": the options are 5; pass an object'],
    [(flow, bad) => flow.awaitEvent("e", bad), null, 'awaitEvent "e": the options are null; pass an object'],
    [(flow, bad) => flow.awaitEvent("e", bad), "1h", 'awaitEvent "e": the options are "1h"; pass an object'],
    [(flow, bad) => flow.awaitEvent("e", bad), { timeout: 1 }, 'awaitEvent "e": option timeout does not exist'],
    [(flow, bad) => flow.step("a", () => 1, bad), 3, 'step "a": the options are 3; pass an object'],
    [(flow, bad) => flow.step("a", () => 1, bad), () => 1, 'step "a": the options are a function; pass an object'],
    [(flow, bad) => flow.awaitAny(bad, []), [{ event: "e" }], 'the name of awaitAny is [{"event":"e"}]; use a string'],
  ];
  await using world = await WorkflowWorld.start(async (flow) => {
    const said: string[] = [];
    for (const [call, bad] of cases) said.push(await call(flow, bad as never).then(() => "accepted", String));
    return said;
  });
  world.assign("job");
  const said = (await world.success()) as readonly string[];
  expect(said).toEqual(cases.map(([, , message]) => expect.stringContaining(message) as string));
});

describe("types of a context", () => {
  test("steps give what JSON makes of their values, and each of several its own value", () => {
    async function neverRun({ step, awaitAny, awaitEvent }: Context, job: JobHandle<number>): Promise<void> {
      const at: string = (await step("a", () => ({ at: new Date() }))).at;
      const none: null = await step("b", async () => {});
      const payload: { by: string } = await awaitEvent<{ by: string }>("e");
      const first = await awaitAny("c", [{ event: "e" }, { job }, { sleepFor: 1 }]);
      if (first.index === 1) expect(first.value.toFixed()).toBeDefined();
      const nothing: null = first.index === 2 ? first.value : null;
      // @ts-expect-error the payload of an event is unknown
      const text: string = first.index === 0 ? first.value : "";
      // @ts-expect-error an unknown option
      await step("d", () => 1, { maxAttempt: 2 });
      expect([at, none, payload, nothing, text]).toBeDefined();
    }
    expect(neverRun).toBeFunction();
  });
});
