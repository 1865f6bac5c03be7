/** What a job recorded to be undone is undone by another job, which a person sees and which no kill takes away. */
import { expect } from "bun:test";
import { CheckpointKind, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { createClient } from "../../src/sdk/transport/client.ts";
import { type E2eWorld, WORK } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { RawWorker } from "../support/raw-worker.ts";
import { runCommand } from "../support/run-command.ts";

/** A raw worker does not renew its own. */
const LONG_LEASE = ["--lease", "60s"];

function hello(given: { readonly ordered?: boolean } = {}) {
  return { workerId: Bun.randomUUIDv7(), functionNames: [WORK], ordered: true, ...given };
}

/** Records these steps, which can be undone, under the first lease. */
async function recordSteps(worker: RawWorker, jobId: string, names: readonly string[]): Promise<void> {
  const { recorded } = await worker.say({
    checkpoints: names.map((name, index) => ({
      ...{ jobId, leaseToken: 1 },
      checkpoint: {
        ...{ name, kind: CheckpointKind.STEP, value: new TextEncoder().encode("1"), seq: index + 1, asked: index + 1 },
        ...{ op: 0, alone: true, undo: true },
      },
    })),
  });
  expect(recorded.map(({ result }) => result)).toEqual(names.map(() => SettleResult.ACCEPTED));
}

function failure(jobId: string, leaseToken: number, terminal = true) {
  const error = { name: "Error", message: "no" };
  return { jobId, leaseToken, outcome: { case: "failure" as const, value: { error, terminal } } };
}

async function commandOf(world: E2eWorld, ...words: string[]) {
  return runCommand([...reseolioCommand(), "jobs", ...words, "--addr", world.daemon.address]);
}

interface Node {
  readonly jobId: string;
  readonly undoOf: string | null;
  readonly children: readonly Node[];
}

testOnEachStore("a person sees how a job is being undone, and can only retry what makes sense", async (store) => {
  await using world = await store.createWorld(LONG_LEASE);
  const { worker } = await RawWorker.connect(world.daemon.address, hello());
  await using _ = worker;
  const { jobId } = await world.enqueue({});
  await worker.assigned(jobId);
  await recordSteps(worker, jobId, ["a", "b"]);
  expect(await worker.report(failure(jobId, 1))).toEqual([SettleResult.ACCEPTED]);

  const tree = JSON.parse((await commandOf(world, "get", jobId, "--tree", "--json")).stdout) as Node;
  expect(tree).toMatchObject({ jobId, undoOf: null, children: [{ undoOf: jobId }] });
  const undoId = tree.children[0]!.jobId;
  const { assignment, records } = await worker.leased(undoId, 1);
  expect(assignment).toMatchObject({ undoOf: jobId, attempt: 1, maxAttempts: 10, checkpointCount: 2, resumed: false });
  expect(records.map(({ checkpoint, ofUndone }) => [checkpoint?.name, ofUndone])).toEqual([
    ["a", true],
    ["b", true],
  ]);

  expect((await commandOf(world, "explain", jobId)).stdout).toContain(
    `being undone by job ${undoId}, which is RUNNING`,
  );
  for (const verb of ["retry", "delete"]) {
    const refused = await commandOf(world, verb, jobId);
    expect(refused.exitCode).toBe(8);
    expect(refused.stderr).toContain(`its steps are being undone by job ${undoId}`);
  }
  await worker.report(failure(undoId, 1));
  expect((await commandOf(world, "explain", jobId)).stdout).toContain(`jobs retry ${undoId} continues undoing`);
  expect((await commandOf(world, "delete", undoId)).stderr).toContain(`undoes job ${jobId}`);
  expect((await commandOf(world, "retry", undoId)).exitCode).toBe(0);
  await worker.leased(undoId, 3);
  const success = { case: "success" as const, value: new TextEncoder().encode("null") };
  expect(await worker.report({ jobId: undoId, leaseToken: 3, outcome: success })).toEqual([SettleResult.ACCEPTED]);
  expect((await commandOf(world, "retry", jobId)).exitCode).toBe(0);
  expect((await worker.leased(jobId, 3)).assignment).toMatchObject({ attempt: 2, checkpointCount: 0, undoOf: "" });
});

testOnEachStore("an undo job outlives its daemon, and goes to workers that keep the order only", async (store) => {
  await using world = await store.createWorld(LONG_LEASE);
  const { worker } = await RawWorker.connect(world.daemon.address, hello());
  await using _ = worker;
  const { jobId } = await world.enqueue({});
  await worker.assigned(jobId);
  await recordSteps(worker, jobId, ["a"]);
  // Takes no more, so that the undo job waits.
  await worker.say({ drain: true });
  await world.client.handle(jobId).cancel();
  await world.daemon.kill();
  await world.daemon.restart();
  await using old = (await RawWorker.connect(world.daemon.address, hello({ ordered: false }))).worker;
  const { worker: next } = await RawWorker.connect(world.daemon.address, hello());
  await using __ = next;
  const undo = await next.assigned();
  expect(undo).toMatchObject({ undoOf: jobId, attempt: 1, checkpointCount: 1 });
  await next.report({ jobId: undo.jobId, leaseToken: undo.leaseToken, outcome: { case: "success", value: ONE } });

  const client = createClient({ address: world.daemon.address });
  const { jobs } = await client.jobs.listJobs({ filter: { parentId: jobId } });
  expect(jobs).toMatchObject([{ jobId: undo.jobId, undoOf: jobId, state: JobState.SUCCESS }]);
  expect((await client.jobs.getJob({ jobId })).job?.state).toBe(JobState.CANCELLED);
  client.close();
  const { enqueued } = await old.say({
    enqueues: [{ functionName: WORK, options: { headers: { "reseolio-undo-of": jobId } } }],
  });
  expect(enqueued).toMatchObject([{ result: { case: "error", value: { code: 3 } } }]);
});

const ONE = new TextEncoder().encode("1");
