import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { BadRequestSchema, ErrorInfoSchema } from "#proto/gen/google/rpc/error_details_pb.ts";
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { NewWait } from "../../src/daemon/core/checkpoint.ts";
import { SUCCEED } from "../support/engine-world.ts";
import { createRouterWorld, type RouterWorld } from "../support/router-world.ts";

const UNKNOWN_ID = "019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function faultOf(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: unknown) => ConnectError.from(error),
  );
}

/** A job that is parked for these waits. */
async function parked(world: RouterWorld, ...waits: readonly NewWait[]): Promise<string> {
  const jobId = await world.enqueue("a:b");
  const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1 });
  await worker.assignedCount(1);
  await worker.report(worker.assigned[0]!, { kind: "park", waits, waitingNames: waits.map(({ name }) => name) });
  return jobId;
}

describe("SendSignal", () => {
  test("tells whether the job was waiting for it, and GetJob what it waits for", async () => {
    await using world = await createRouterWorld();
    const jobId = await parked(world, { name: "w", kind: "signal", signalName: "approved", timeoutMs: null });
    const { job } = await world.jobs.getJob({ jobId });
    expect(job?.waits).toMatchObject([
      { name: "w", kind: CheckpointKind.SIGNAL, signalName: "approved", eventName: "" },
    ]);
    expect(await world.jobs.sendSignal({ jobId, name: "other" })).toMatchObject({ taken: false });
    const { taken, signalId } = await world.jobs.sendSignal({ jobId, name: "approved", payload: bytes("1") });
    expect(taken).toBe(true);
    expect(signalId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect((await world.jobs.getJob({ jobId })).job?.checkpoints).toMatchObject([
      { name: "w", kind: CheckpointKind.SIGNAL, timedOut: false },
    ]);
  });

  test("without a payload sends null", async () => {
    await using world = await createRouterWorld();
    const jobId = await parked(world, { name: "w", kind: "signal", signalName: "go", timeoutMs: null });
    await world.jobs.sendSignal({ jobId, name: "go" });
    const { checkpoints } = await world.engine.store.workflows.listCheckpoints({
      ...{ jobId, sinceToken: null, afterName: null, maxBytes: 1_000 },
    });
    expect(new TextDecoder().decode(checkpoints[0]?.value ?? undefined)).toBe("null");
  });

  test("answers alike when it is repeated with its id, also after the job has ended", async () => {
    await using world = await createRouterWorld();
    const jobId = await world.enqueue("a:b");
    const signal = { jobId, name: "go", payload: bytes("1"), signalId: Bun.randomUUIDv7() };
    const first = await world.jobs.sendSignal(signal);
    expect(first).toMatchObject({ signalId: signal.signalId, taken: false });
    await world.jobs.cancelJob({ jobId });
    expect(await world.jobs.sendSignal(signal)).toEqual(first);
    expect(await world.engine.store.workflows.countSignals(jobId)).toEqual(new Map([["go", 1]]));
  });

  test("refuses an unknown job and one that has ended, and says which state it is in", async () => {
    await using world = await createRouterWorld();
    expect((await faultOf(world.jobs.sendSignal({ jobId: UNKNOWN_ID, name: "go" }))).code).toBe(Code.NotFound);
    const jobId = await world.enqueue("a:b");
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1 });
    await worker.assignedCount(1);
    await worker.report(worker.assigned[0]!, SUCCEED);
    const fault = await faultOf(world.jobs.sendSignal({ jobId, name: "go" }));
    expect(fault).toMatchObject({ code: Code.FailedPrecondition });
    expect(fault.rawMessage).toBe(`job ${jobId} is SUCCESS: it accepts no more signals`);
    expect(fault.findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({ jobId, state: "SUCCESS" });
  });

  test("refuses ids and names that are none, all in one answer, and a payload that is too large", async () => {
    await using world = await createRouterWorld();
    const fault = await faultOf(world.jobs.sendSignal({ jobId: "nonsense", name: "", signalId: "7" }));
    expect(fault.code).toBe(Code.InvalidArgument);
    const fields = fault.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field);
    expect(fields).toEqual(["job_id", "signal_id", "name"]);
    const jobId = await world.enqueue("a:b");
    const name = "\u20ac".repeat(86);
    expect((await faultOf(world.jobs.sendSignal({ jobId, name }))).rawMessage).toContain("is 258 bytes long");
    const payload = new Uint8Array(1024 * 1024 + 1).fill(48);
    const tooLarge = await faultOf(world.jobs.sendSignal({ jobId, name: "go", payload }));
    expect(tooLarge).toMatchObject({ code: Code.ResourceExhausted });
    expect(await world.engine.store.workflows.countSignals(jobId)).toEqual(new Map());
  });

  test("refuses an id that was used for another job", async () => {
    await using world = await createRouterWorld();
    const [one, two] = [await world.enqueue("a:b"), await world.enqueue("a:b")];
    const { signalId } = await world.jobs.sendSignal({ jobId: one, name: "go" });
    const fault = await faultOf(world.jobs.sendSignal({ jobId: two, name: "go", signalId }));
    expect(fault.code).toBe(Code.AlreadyExists);
    expect(fault.rawMessage).toContain(one);
  });
});

describe("DeleteEvent", () => {
  test("tells whether there was one; the next emission is the first again", async () => {
    await using world = await createRouterWorld();
    expect(await world.events.deleteEvent({ name: "e" })).toMatchObject({ deleted: false });
    await world.events.emitEvent({ name: "e", payload: bytes("1") });
    expect(await world.events.deleteEvent({ name: "e" })).toMatchObject({ deleted: true });
    expect((await world.events.getEvent({ name: "e" })).event).toBeUndefined();
    expect(await world.events.emitEvent({ name: "e", payload: bytes("2") })).toMatchObject({ created: true });
    expect((await faultOf(world.events.deleteEvent({ name: "" }))).code).toBe(Code.InvalidArgument);
  });

  test("is refused while the event is told to those that wait for it", async () => {
    await using world = await createRouterWorld();
    const waiting = Array.from({ length: 501 }, () => world.enqueue("a:b", { options: { timeoutMs: 0 } }));
    await Promise.all(waiting);
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 501 });
    await worker.assignedCount(501);
    const wait: NewWait = { name: "w", kind: "event", eventName: "e", timeoutMs: null };
    await Promise.all(
      worker.assigned.map((job) => worker.report(job, { kind: "park", waits: [wait], waitingNames: ["w"] })),
    );
    await world.events.emitEvent({ name: "e", payload: bytes("1") });
    const fault = await faultOf(world.events.deleteEvent({ name: "e" }));
    expect(fault).toMatchObject({ code: Code.FailedPrecondition });
    expect(fault.rawMessage).toContain("still being delivered");
    expect((await world.events.getEvent({ name: "e" })).event).toBeDefined();
  });
});
