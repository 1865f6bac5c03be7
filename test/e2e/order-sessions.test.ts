/** The order of records as a worker in any language sees it: the session's own words, without the SDK. */
import { Code, type ConnectError } from "@connectrpc/connect";
import { expect } from "bun:test";
import { type Checkpoint, CheckpointKind, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { createClient } from "../../src/sdk/transport/client.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { RawWorker } from "../support/raw-worker.ts";
import { rejection } from "../support/rejection.ts";

const FN = "raw:ordered";
const { ACCEPTED } = SettleResult;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const ERROR = { name: "Error", message: "no money" };

interface Lease {
  readonly jobId: string;
  readonly leaseToken: number;
}

async function connect(world: E2eWorld, ordered: boolean, concurrency = 1): Promise<RawWorker> {
  const hello = { workerId: Bun.randomUUIDv7(), functionNames: [FN], concurrency, ordered };
  return (await RawWorker.connect(world.daemon.address, hello)).worker;
}

async function call<T>(world: E2eWorld, work: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T> {
  const client = createClient({ address: world.daemon.address });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

async function enqueue(world: E2eWorld, parentId = "", maxAttempts = 3): Promise<string> {
  const options = { maxAttempts, initialDelayMs: 1 };
  const jobs = [{ functionName: FN, args: bytes("[]"), parentId, options }];
  const { results } = await call(world, (client) => client.jobs.enqueueJobs({ jobs }));
  const result = results[0]?.result;
  if (result?.case !== "job") throw new Error("the job was not stored");
  return result.value.jobId;
}

type OrderInit = Partial<Pick<Checkpoint, "seq" | "asked" | "op" | "alone" | "prompt" | "undo">>;

const step = (lease: Lease, name: string, order: OrderInit, error?: typeof ERROR) => ({
  ...lease,
  checkpoint: {
    name,
    kind: CheckpointKind.STEP,
    value: bytes(error ? "" : "1"),
    ...(error && { error }),
    op: 0,
    ...order,
  },
});

const failure = (lease: Lease, endedBy: readonly string[], loosened: readonly string[] = []) => {
  const refs = (names: readonly string[]) => names.map((name, place) => ({ name, op: place + 1 }));
  const value = { error: ERROR, endedBy: refs(endedBy), loosened: refs(loosened) };
  return { ...lease, outcome: { case: "failure" as const, value } };
};

const orderOf = ({ name, seq, asked, op, alone, prompt, undo, endedAttempt }: Checkpoint) => {
  const flags = Object.entries({ alone, prompt, undo, endedAttempt }).filter(([, isSet]) => isSet);
  return [name, seq, asked, op, flags.map(([flag]) => flag).join()];
};

testOnEachStore(
  "records and waits come back with their places, and the failure that ended the attempt is marked",
  async (store) => {
    await using world = await store.createWorld();
    await using worker = await connect(world, true);
    const jobId = await enqueue(world);
    const lease = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
    const wait = { name: "w", awaited: { case: "eventName" as const, value: "e" }, op: 4_000_000_000, prompt: true };
    const park = { waits: [wait], waitingNames: ["w"], seq: 2, asked: 2, alone: true };
    await worker.say({
      checkpoints: [step(lease, "a", { seq: 1, asked: 1, alone: true, prompt: true, undo: true })],
      outcomes: [{ ...lease, outcome: { case: "park", value: park } }],
    });
    await call(world, (client) => client.events.emitEvent({ name: "e" }));
    const resumed = await worker.leased(jobId, lease.leaseToken + 1);
    expect(resumed.checkpoints.map(orderOf)).toEqual([["w", 2, 2, 4_000_000_000, "alone,prompt"]]);

    const second = { jobId, leaseToken: lease.leaseToken + 1 };
    await worker.say({
      checkpoints: [step(second, "b", { seq: 3, asked: 4 }, ERROR), step(second, "c", { seq: 4, asked: 4 })],
      outcomes: [failure(second, ["b"], ["c"])],
    });
    const replayed = await worker.leased(jobId, second.leaseToken + 1);
    expect(replayed.assignment).toMatchObject({ attempt: 2, unordered: false, checkpointCount: 4 });
    expect(replayed.checkpoints.map(orderOf)).toEqual([
      ["a", 1, 1, 0, "alone,prompt,undo"],
      ["b", 0, 3, 1, "endedAttempt"],
      ["c", 0, 4, 1, ""],
      ["w", 2, 2, 4_000_000_000, "alone,prompt"],
    ]);
    const { job } = await call(world, (client) => client.jobs.getJob({ jobId }));
    expect(job?.checkpoints.map(({ name, seq, endedAttempt }) => [name, seq, endedAttempt]).sort()).toEqual([
      ["a", 1, false],
      ["b", 0, true],
      ["c", 0, false],
      ["w", 2, false],
    ]);
  },
);

testOnEachStore(
  "a child that failed is retried under its own id by the parent whose attempt it ended",
  async (store) => {
    await using world = await store.createWorld();
    await using worker = await connect(world, true, 5);
    const parentId = await enqueue(world);
    const parent = { jobId: parentId, leaseToken: (await worker.assigned(parentId)).leaseToken };
    const childId = await enqueue(world, parentId, 1);
    const child = { jobId: childId, leaseToken: (await worker.assigned(childId)).leaseToken };
    const name = `job:${childId}`;
    const wait = { name, awaited: { case: "jobId" as const, value: childId }, op: 9 };
    await worker.report({
      ...parent,
      outcome: { case: "park", value: { waits: [wait], waitingNames: [name], seq: 1, asked: 1 } },
    });
    await worker.report(failure(child, []));
    const { checkpoints } = await worker.leased(parentId, parent.leaseToken + 1);
    expect(checkpoints).toMatchObject([
      { name, kind: CheckpointKind.JOB, error: { ...ERROR, reason: "handler" }, seq: 1 },
    ]);

    const retry = () => call(world, (client) => client.jobs.retryJob({ jobId: childId, awaitedBy: parentId }));
    expect(((await rejection(retry())) as ConnectError).code).toBe(Code.FailedPrecondition);
    await worker.report(failure({ jobId: parentId, leaseToken: parent.leaseToken + 1 }, [name]));
    await worker.leased(parentId, parent.leaseToken + 2);
    expect((await retry()).job).toMatchObject({ jobId: childId, failures: 0 });
    expect(((await rejection(retry())) as ConnectError).rawMessage).toContain("or the job was already retried");
    expect((await worker.leased(childId, child.leaseToken + 2)).assignment).toMatchObject({ attempt: 2 });
  },
);

testOnEachStore(
  "records that do not fit the code wait for other code, and are told as the job's error",
  async (store) => {
    await using world = await store.createWorld();
    await using worker = await connect(world, true);
    const jobId = await enqueue(world, "", 1);
    const { leaseToken } = await worker.assigned(jobId);
    const release = { started: true, mismatch: 'step "b" is recorded where "a" is asked for' };
    expect(await worker.report({ jobId, leaseToken, outcome: { case: "release", value: release } })).toEqual([
      ACCEPTED,
    ]);
    const { job } = await call(world, (client) => client.jobs.getJob({ jobId }));
    expect(job).toMatchObject({
      ...{ state: JobState.PENDING, failures: 0, attempts: [] },
      error: { name: "ReplayMismatchError", message: release.mismatch, reason: "replay_mismatch" },
    });
    const { blockers } = await call(world, (client) => client.jobs.explainJob({ jobId }));
    expect(blockers).toMatchObject([{ kind: "mismatch", message: expect.stringContaining(release.mismatch) }]);
    expect((await worker.leased(jobId, leaseToken + 1)).assignment).toMatchObject({ attempt: 2, failures: 0 });
  },
);

testOnEachStore("a job with an order waits for a worker that keeps it", async (store) => {
  await using world = await store.createWorld();
  const jobId = await enqueue(world);
  {
    await using worker = await connect(world, true);
    const lease = { jobId, leaseToken: (await worker.assigned(jobId)).leaseToken };
    // Not so soon that this worker gets it again before it is gone.
    const { outcome } = failure(lease, []);
    const later = { ...lease, outcome: { ...outcome, value: { ...outcome.value, retryAfterMs: 1_000n } } };
    await worker.say({ checkpoints: [step(lease, "a", { seq: 1 })], outcomes: [later] });
  }
  await using old = await connect(world, false);
  const plain = await enqueue(world);
  await old.assigned(plain);
  await old.report({ jobId: plain, leaseToken: 1, outcome: { case: "success", value: bytes("1") } });
  await using worker = await connect(world, true);
  const { checkpoints } = await worker.leased(jobId, (await worker.assigned(jobId)).leaseToken);
  expect(checkpoints.map(({ name }) => name)).toEqual(["a"]);
  expect(old.assignments.map((one) => one.jobId)).not.toContain(jobId);
});
