/** What else a handler's context gives: the first of several things, values, more time; and what its operations refuse. */
import { describe, expect, test } from "bun:test";
import { shownName } from "#proto/contract.ts";
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Context } from "../../../src/sdk/context.ts";
import type { JobHandle } from "../../../src/sdk/job-handle.ts";
import { checkpoint, WorkflowWorld } from "./workflow-world.ts";

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
