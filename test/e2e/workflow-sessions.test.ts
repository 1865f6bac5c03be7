/** Workflows as a worker in any language sees them: the session's own words, without the SDK. */
import { toJson } from "@bufbuild/protobuf";
import { expect } from "bun:test";
import { CheckpointKind, JobSchema, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { createClient } from "../../src/sdk/transport/client.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { RawWorker } from "../support/raw-worker.ts";

const FN = "raw:workflow";
const { ACCEPTED, INVALID, STALE } = SettleResult;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

interface Lease {
  readonly jobId: string;
  readonly leaseToken: number;
}

async function connect(world: E2eWorld, workerId: string = Bun.randomUUIDv7(), heldLeases: readonly Lease[] = []) {
  const held = heldLeases.map((lease) => ({ ...lease, started: true }));
  const hello = { workerId, functionNames: [FN], concurrency: 1, heldLeases: held };
  return RawWorker.connect(world.daemon.address, hello);
}

async function enqueue(world: E2eWorld): Promise<string> {
  const client = createClient({ address: world.daemon.address });
  try {
    const { results } = await client.jobs.enqueueJobs({ jobs: [{ functionName: FN, args: bytes("[]") }] });
    const result = results[0]?.result;
    if (result?.case !== "job") throw new Error("the job was not stored");
    return result.value.jobId;
  } finally {
    client.close();
  }
}

async function call<T>(world: E2eWorld, work: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T> {
  const client = createClient({ address: world.daemon.address });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

const step = (lease: Lease, name: string, value: Uint8Array = bytes("1")) => ({
  ...lease,
  checkpoint: { name, kind: CheckpointKind.STEP, value },
});

const awaitEvent = (lease: Lease, eventName: string) => ({
  ...lease,
  outcome: {
    case: "park" as const,
    value: { waits: [{ name: "w", awaited: { case: "eventName" as const, value: eventName } }], waitingNames: ["w"] },
  },
  durationUs: 1_000,
});

const success = (lease: Lease) => ({ ...lease, outcome: { case: "success" as const, value: bytes("null") } });

testOnEachStore(
  "P14: a job that is parked shows what it waits for, and goes on in place with what happened",
  async (store) => {
    await using world = await store.createWorld();
    const { worker } = await connect(world);
    await using _ = worker;
    const jobId = await enqueue(world);
    const { leaseToken } = await worker.assigned(jobId);
    const lease = { jobId, leaseToken };
    const reply = await worker.say({ checkpoints: [step(lease, "a")], outcomes: [awaitEvent(lease, "e")] });
    expect(reply).toMatchObject({ recorded: [{ result: ACCEPTED }], settled: [ACCEPTED] });

    const { job } = await call(world, (client) => client.jobs.getJob({ jobId }));
    expect(job).toMatchObject({ state: JobState.SUSPENDED, attempt: 1 });
    expect(job?.waits).toMatchObject([{ name: "w", kind: CheckpointKind.EVENT, eventName: "e" }]);
    expect(job?.checkpoints).toMatchObject([{ name: "a", kind: CheckpointKind.STEP, value: new Uint8Array(0) }]);
    const explained = await call(world, (client) => client.jobs.explainJob({ jobId }));
    expect(explained.blockers).toMatchObject([{ kind: "parked", message: 'it is waiting for the event "e"' }]);
    expect(await call(world, (client) => client.events.getEvent({ name: "e" }))).toMatchObject({ waiting: 1 });

    const emitted = await call(world, (client) => client.events.emitEvent({ name: "e", payload: bytes('"first"') }));
    expect(emitted).toMatchObject({ created: true, woken: 1 });
    const { assignment, checkpoints } = await worker.leased(jobId, leaseToken + 1);
    expect(assignment).toMatchObject({ resumed: true, attempt: 1, checkpointCount: 1 });
    expect(checkpoints.map(({ name, value }) => [name, text(value)])).toEqual([["w", '"first"']]);
    expect(await worker.report(success({ jobId, leaseToken: leaseToken + 1 }))).toEqual([ACCEPTED]);
  },
);

testOnEachStore("P11: a step and the outcome of its job in one frame are both kept, in this order", async (store) => {
  await using world = await store.createWorld();
  const { worker } = await connect(world);
  await using _ = worker;
  const jobId = await enqueue(world);
  const lease = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
  const reply = await worker.say({ checkpoints: [step(lease, "a")], outcomes: [success(lease)] });
  expect(reply).toMatchObject({ recorded: [{ result: ACCEPTED }], settled: [ACCEPTED] });
  const { job } = await call(world, (client) => client.jobs.getJob({ jobId }));
  expect(job).toMatchObject({ state: JobState.SUCCESS, checkpoints: [{ name: "a" }] });
  expect(await worker.say({ checkpoints: [step(lease, "b")] })).toMatchObject({ recorded: [{ result: STALE }] });
});

testOnEachStore(
  "P7: a park whose answer was lost is accepted when it is told again, and its job goes on",
  async (store) => {
    await using world = await store.createWorld();
    const workerId = Bun.randomUUIDv7();
    const { worker: first } = await connect(world, workerId);
    const jobId = await enqueue(world);
    const lease = { jobId, leaseToken: (await first.assigned(jobId)).leaseToken };
    await first.report(awaitEvent(lease, "e"));
    await first[Symbol.asyncDispose]();
    await world.daemon.kill();
    await world.daemon.restart();
    const { worker, welcome } = await connect(world, workerId, [lease]);
    await using _ = worker;
    expect(welcome.lostLeases).toEqual([]);
    expect(await worker.report(awaitEvent(lease, "e"))).toEqual([ACCEPTED]);
    await call(world, (client) => client.events.emitEvent({ name: "e" }));
    const { assignment, checkpoints } = await worker.leased(jobId, lease.leaseToken + 1);
    expect(assignment).toMatchObject({ resumed: true });
    expect(checkpoints.map(({ value }) => text(value))).toEqual(["null"]);
    // The worker no longer has the handler, so it receives the job again with all its checkpoints.
    const again = { jobId, leaseToken: lease.leaseToken + 1 };
    await worker.report({ ...again, outcome: { case: "release", value: { started: true } } });
    expect((await worker.leased(jobId, again.leaseToken + 1)).assignment).toMatchObject({ resumed: false, attempt: 1 });
  },
);

testOnEachStore(
  "a replay brings 24 MiB of checkpoints in frames of a megabyte or two, all before the job",
  async (store) => {
    await using world = await store.createWorld();
    const workerId = Bun.randomUUIDv7();
    const { worker: first } = await connect(world, workerId);
    const jobId = await enqueue(world);
    const lease = { jobId, leaseToken: (await first.assigned(jobId)).leaseToken };
    const value = bytes(`"${"x".repeat(1_000_000)}"`);
    const names = Array.from({ length: 25 }, (_, index) => `step ${index}`);
    for (const name of names) {
      expect(await first.say({ checkpoints: [step(lease, name, value)] })).toMatchObject({
        recorded: [{ result: ACCEPTED }],
      });
    }
    await first.report({ ...lease, outcome: { case: "release", value: { started: true } } });
    const { assignment, checkpoints, frames } = await first.leased(jobId, lease.leaseToken + 1);
    await first[Symbol.asyncDispose]();
    expect(assignment.checkpointCount).toBe(names.length);
    expect(checkpoints.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(checkpoints.every((one) => Buffer.compare(one.value, value) === 0)).toBe(true);
    expect(frames).toBeGreaterThan(10);
  },
);

testOnEachStore(
  "what is too long, too large, too many or of no kind is refused with the reason, and harms nothing",
  async (store) => {
    await using world = await store.createWorld();
    const { worker } = await connect(world);
    await using _ = worker;
    const jobId = await enqueue(world);
    const lease = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
    const refused = await worker.say({
      checkpoints: [
        step(lease, ""),
        step(lease, "n".repeat(257)),
        step(lease, "large", new Uint8Array(1024 * 1024 + 1)),
        step(lease, "fine"),
      ],
    });
    expect(refused.recorded.map(({ result }) => result)).toEqual([INVALID, INVALID, INVALID, ACCEPTED]);
    expect(refused.recorded.map(({ message }) => message)).toEqual([
      "the checkpoint's name is empty; use a name of 1 to 256 bytes",
      "the checkpoint's name is 257 bytes long; at most 256 are allowed",
      'the value of "large" is 1048577 bytes long; at most 1048576 are allowed: store it elsewhere, return its id',
      "",
    ]);
    for (let from = 0; from < 9_999; from += 3_333) {
      const checkpoints = Array.from({ length: 3_333 }, (_, index) => step(lease, `step ${from + index}`));
      const { recorded } = await worker.say({ checkpoints });
      expect(recorded.every(({ result }) => result === ACCEPTED)).toBe(true);
    }
    const { recorded } = await worker.say({ checkpoints: [step(lease, "one more")] });
    expect(recorded).toMatchObject([{ result: INVALID }]);
    expect(recorded[0]?.message).toContain("the limit of 10000 checkpoints per job");
    const { job } = await call(world, (client) => client.jobs.getJob({ jobId }));
    expect(job?.checkpoints).toHaveLength(1_000);
    expect(await worker.report(success(lease))).toEqual([ACCEPTED]);

    const broken = await connect(world);
    await using __ = broken.worker;
    void broken.worker.say({ checkpoints: [{ ...lease, checkpoint: { name: "a" } }] }).catch(() => {});
    await broken.worker.ended();
  },
);

testOnEachStore("P10: the worker of a parked job that is cancelled is told by the lease it parked", async (store) => {
  await using world = await store.createWorld();
  const { worker } = await connect(world);
  await using _ = worker;
  const jobId = await enqueue(world);
  const lease = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
  await worker.report(awaitEvent(lease, "never"));
  expect(await call(world, (client) => client.jobs.cancelJob({ jobId }))).toMatchObject({ cancelled: true });
  expect(await worker.revoked(jobId)).toMatchObject({ ...lease, reason: "cancelled" });
  expect(await worker.report({ ...lease, outcome: { case: "release", value: { started: true } } })).toEqual([STALE]);
});

testOnEachStore("a handler that goes on by its own word is assigned again as soon as it says so", async (store) => {
  await using world = await store.createWorld();
  const { worker } = await connect(world);
  await using _ = worker;
  const jobId = await enqueue(world);
  const lease = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
  await worker.report(awaitEvent(lease, "never"));
  await worker.say({ wakes: [lease] });
  expect((await worker.leased(jobId, lease.leaseToken + 1)).assignment).toMatchObject({ resumed: true, attempt: 1 });
});

testOnEachStore("times that no date has are kept within those that every client can read", async (store) => {
  await using world = await store.createWorld();
  const { worker } = await connect(world);
  await using _ = worker;
  const jobId = await enqueue(world);
  const first = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
  const sleepUntil = { case: "sleepUntil" as const, value: { seconds: 1n << 62n, nanos: 0 } };
  const park = { waits: [{ name: "w", awaited: sleepUntil }], waitingNames: ["w"] };
  expect(await worker.report({ ...first, outcome: { case: "park", value: park } })).toEqual([ACCEPTED]);
  await worker.say({ wakes: [first] });
  const second = { jobId, leaseToken: (await worker.leased(jobId, first.leaseToken + 1)).assignment.leaseToken };
  const failure = { error: { name: "Error", message: "later" }, retryAfterMs: (1n << 64n) - 1n };
  expect(await worker.report({ ...second, outcome: { case: "failure", value: failure } })).toEqual([ACCEPTED]);

  const filter = { createdBefore: { seconds: 1n << 62n, nanos: 0 }, createdAfter: { seconds: -(1n << 62n), nanos: 0 } };
  const { jobs } = await call(world, (client) => client.jobs.listJobs({ filter }));
  expect(jobs.map((job) => job.jobId)).toEqual([jobId]);
  expect(() => jobs.map((job) => toJson(JobSchema, job))).not.toThrow();
});
