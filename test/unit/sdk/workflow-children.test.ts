/** Jobs that a handler calls and awaits. */
import { describe, expect, test } from "bun:test";
import { shownName } from "#proto/contract.ts";
import { type Checkpoint, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { ReseolioError } from "../../../src/sdk/errors.ts";
import { checkpoint, jsonBytes, WorkflowWorld } from "./workflow-world.ts";

const CHILD = uuidV7();

const faultName = (error: unknown): string => (error instanceof ReseolioError ? error.code : String(error));

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

  test("P11: called by a branch that a failed handler left behind are refused: the retry numbers the same calls", async () => {
    const late = Promise.withResolvers<string>();
    await using world = await WorkflowWorld.start(() => {
      const branch = async (): Promise<unknown> => {
        await Bun.sleep(20);
        return world.client.enqueue("t:a", []);
      };
      branch().then(
        () => late.resolve("stored"),
        (error: unknown) => late.resolve(faultName(error)),
      );
      throw new Error("no");
    });
    world.assign("parent", 1);
    await world.failure();
    expect(await late.promise).toBe("failed_precondition");
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
