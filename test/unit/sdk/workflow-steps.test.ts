/** Steps of a handler: recorded once, tried again, and refused inside one another. */
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "bun:test";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import type { Context } from "../../../src/sdk/context.ts";
import { StepFailedError } from "../../../src/sdk/workflow/workflow-errors.ts";
import { checkpoint, jsonOf, WorkflowWorld } from "./workflow-world.ts";

const CHILD = uuidV7();

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
      mismatch: 'the handler asks for a step "a", which was recorded as a sleep',
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
