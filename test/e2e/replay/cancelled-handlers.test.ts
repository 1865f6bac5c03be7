/** P10: what the handler of a cancelled job may still do, and how what it did is undone. */
import { expect } from "bun:test";
import { testOnEachStore } from "../../support/each-store.ts";
import { rejection } from "../../support/rejection.ts";
import { createReplayWorld, type ReplayWorld, testInterrupted, until } from "../../support/replay-world.ts";

testOnEachStore("P10: a cancelled handler is refused durable calls, and told why (R9)", async (store) => {
  // Nothing is interrupted: the handler is in memory when its job is cancelled.
  await using world = await createReplayWorld(store, "replay/cancelled", "kill -9");
  const parked = await world.start("replay:unwinds", "parked", ["parked"]);
  const running = await world.start("replay:unwinds", "running", ["running"]);
  await until(async () => (await parked.status()) === "suspended", "the handler waits");
  await world.worker.line("reserved running");
  for (const job of [parked, running]) expect(await job.cancel()).toBe(true);
  for (const subject of ["parked", "running"]) {
    await world.worker.line(`unwound ${subject}`);
    const effects = world.effectsOf(subject);
    expect([effects[0], effects.at(-1)]).toEqual(["reserved", "unwound"]);
    expect(effects).toHaveLength(5);
    for (const [index, what] of ["a step", "a durable call", "a call by name"].entries()) {
      expect(effects[index + 1]).toMatch(
        new RegExp(`^${what} was refused: (job_cancelled|failed_precondition): .*cancelled`, "i"),
      );
    }
  }
  expect((await world.client.listJobs({ name: "replay:release" })).jobs).toEqual([]);
});

const UNDONE = [
  "took goods",
  "took money",
  "noted",
  "asked to undo money",
  "asked to undo money",
  "undid the taking of money",
  "asked to undo goods",
  "asked to undo goods",
  "undid the taking of goods",
];

interface TreeNode {
  readonly state: string;
  readonly children: readonly TreeNode[];
}

/** In the tree of the job, beside its children. */
async function undoIsDone(world: ReplayWorld, jobId: string): Promise<void> {
  const tree = async () => JSON.parse(await world.cli("jobs", "get", jobId, "--tree", "--json")) as TreeNode;
  await until(async () => (await tree()).children[0]?.state === "SUCCESS", "the undo is done and in the tree");
  expect((await tree()).children).toHaveLength(1);
}

testInterrupted(
  "P10: the recorded steps of a cancelled job are undone in reverse order, though nobody holds its handler (R9)",
  "replay/cancelled",
  async (world) => {
    const job = await world.start("replay:undone", "order", ["cancel"]);
    if (world.interruption === "kill -9") {
      await world.worker.line("stands still order");
      await world.worker.kill();
    } else await until(async () => (await job.status()) === "suspended", "the handler waits");
    expect(await job.cancel()).toBe(true);
    expect(await job.status()).toBe("cancelled");
    if (world.interruption === "kill -9") await world.replaceWorker();
    await world.worker.line("undid the taking of goods order");
    await undoIsDone(world, job.jobId);
    expect(world.effectsOf("order")).toEqual(UNDONE);
    expect(await job.status()).toBe("cancelled");
  },
);

testInterrupted(
  "P10: the recorded steps of a job that failed for good are undone in reverse order (R9)",
  "replay/cancelled",
  async (world) => {
    const job = await world.start("replay:undone", "order", ["failure"]);
    await world.interrupt(["order"]);
    expect(await rejection(job.result(20_000))).toMatchObject({ code: "job_failed", reason: "terminal" });
    await world.worker.line("undid the taking of goods order");
    await undoIsDone(world, job.jobId);
    expect(world.effectsOf("order")).toEqual(UNDONE);
    expect(await job.status()).toBe("dead");
  },
);
