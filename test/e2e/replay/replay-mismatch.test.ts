/** Records that the code does not fit: the job waits for code that does, and nobody has to repair it. */
import { expect } from "bun:test";
import type { JobHandle } from "../../../src/sdk/index.ts";
import { testOnEachStore } from "../../support/each-store.ts";
import { createReplayWorld, type ReplayWorld, testInterrupted, until } from "../../support/replay-world.ts";

/** One failure would be the end. The time limit bounds the wait for what the code never asks for. */
const OPTIONS = { maxAttempts: 1, initialDelayMs: 100, timeoutMs: 3_000 };

const GOODS = { steps: ["reserve goods"], record: /reserve goods|print label/ } as const;
const CASES = [
  { ...GOODS, name: "of another kind", functionName: "replay:other-kind" },
  {
    ...GOODS,
    name: "that it never asks for",
    functionName: "replay:never-asked",
    steps: ["print label", "reserve goods"],
  },
  { ...GOODS, name: "of a signal under its old name", functionName: "replay:renamed-signal", record: /signal "go"/ },
  {
    ...GOODS,
    name: "of an event under its old name",
    functionName: "replay:renamed-event",
    record: /event "order go"/,
  },
] as const;

for (const { name, functionName, steps, record } of CASES) {
  testInterrupted(
    `code that meets a record ${name} uses up no attempt, says which, and fitting code goes on (R10)`,
    "replay/deploy",
    async (world) => {
      const job = await world.start(functionName, "order", [], OPTIONS);
      await world.client.emitEvent("order go");
      await job.signal("go");
      await deploy(world, job, 2);
      await until(() => hasMetRecord(job), "the new code has met the record");
      const { status, failures, error } = await job.details();
      expect({ failures, isWaiting: status === "pending" || status === "running" }).toEqual({
        failures: 0,
        isWaiting: true,
      });
      expect(error?.reason as string).toBe("replay_mismatch");
      expect(error?.message).toMatch(record);
      for (const command of ["explain", "get"]) {
        expect(await world.cli("jobs", command, job.jobId)).toMatch(record);
      }
      expect(world.worker.stderr).toMatch(record);
      await world.replaceWorker(1);
      const results = steps.toSorted().map((step) => `result of ${step}`);
      expect([await job.result(30_000)].flat().toSorted()).toEqual(results);
      expect(world.effectsOf("order").toSorted()).toEqual(steps.toSorted());
      expect(await job.details()).toMatchObject({ failures: 0 });
    },
  );
}

testOnEachStore(
  "a signal renamed while a job waits for it is found by explain, and the job goes on when that is taken back",
  async (store) => {
    await using world = await createReplayWorld(store, "replay/deploy", "given-up memory");
    const job = await world.start<string>("replay:renamed-wait", "order");
    const isParked = async (execution: number) =>
      world.executionsOf("order") === execution && (await job.status()) === "suspended";
    await until(() => isParked(1), "the first version waits");
    await world.replaceWorker(2);
    await world.cli("jobs", "retry", job.jobId);
    await until(() => isParked(2), "the second version waits");
    await job.signal("go", "Ada");
    const explained = await world.cli("jobs", "explain", job.jobId);
    expect(explained).toContain('is waiting for the signal "go on"');
    expect(explained).toContain('has not asked again for what it received: the signal "go"');
    expect(explained).toContain(`wake it with reseolio jobs retry ${job.jobId}`);
    await world.replaceWorker(1);
    await world.cli("jobs", "retry", job.jobId);
    expect(await job.result(20_000)).toBe("Ada taken by version 1");
    expect(await job.details()).toMatchObject({ failures: 0, attempt: 1 });
  },
);

testOnEachStore(
  "undoing under code that does not fit uses up no attempt, says why, and goes on under code that does",
  async (store) => {
    await using world = await createReplayWorld(store, "replay/deploy", "kill -9");
    const job = await world.start("replay:undone", "order", [], OPTIONS);
    await job.result(20_000).catch(() => {});
    const undo = async () => (await world.client.listJobs({ parentId: job.jobId })).jobs[0];
    await until(async () => (await undo())?.failures === 1, "undoing has failed once");
    await world.replaceWorker(2);
    await until(async () => (await undo())?.error?.reason === "replay_mismatch", "the step more does not fit");
    const { id, failures } = (await undo())!;
    expect(failures).toBe(1);
    expect(await world.cli("jobs", "explain", id)).toContain('a step "send mail" is the next record');
    expect(world.effectsOf("order")).toEqual([]);
    await world.replaceWorker(3);
    expect(await world.client.handle(id).result(30_000)).toEqual({ undone: ["send mail", "reserve goods"] });
    expect(world.effectsOf("order")).toEqual(["undo send mail in version 3", "undo reserve goods in version 3"]);
  },
);

/** Parks it under the first version, and wakes it under the second. */
async function changed(world: ReplayWorld, change: string, ends: "cancelled" | "returns"): Promise<JobHandle> {
  const job = await world.start("replay:changed", change, [change, ends], { timeoutMs: 6_000 });
  await until(async () => (await job.status()) === "suspended", "the first version waits");
  await world.replaceWorker(2);
  return job;
}

testOnEachStore("steps that swapped places are found by their names, and none runs again", async (store) => {
  await using world = await createReplayWorld(store, "replay/deploy", "kill -9");
  const job = await changed(world, "swapped", "returns");
  await world.cli("jobs", "retry", job.jobId);
  await until(
    async () => world.executionsOf("swapped") === 2 && (await job.status()) === "suspended",
    "it waits again",
  );
  await job.signal("go");
  expect(await job.result(20_000)).toBe("done");
  expect(world.effectsOf("swapped")).toEqual(["check", "reserve goods", "send mail"]);
});

for (const change of ["a step more", "a step less", "swapped"]) {
  testOnEachStore(`${change}: what went on under changed code is undone under it`, async (store) => {
    await using world = await createReplayWorld(store, "replay/deploy", "kill -9");
    const job = await changed(world, change, "cancelled");
    await job.signal("go");
    const isOn = async () => world.effectsOf(change).includes("send mail") && (await job.status()) === "suspended";
    await until(isOn, "the second version goes on, and waits again");
    await job.cancel();
    const undo = async () => (await world.client.listJobs({ parentId: job.jobId })).jobs[0];
    await until(async () => (await undo())?.status === "success", "it is undone");
    expect(world.effectsOf(change).slice(-2)).toEqual(["undo send mail", "undo reserve goods"]);
    expect(await undo()).toMatchObject({ failures: 0, attempt: 1 });
  });
}

testOnEachStore("a job that its failed child ended is undone, whatever it recorded behind that", async (store) => {
  await using world = await createReplayWorld(store, "replay/deploy", "kill -9");
  const job = await world.start("replay:undone-behind-child", "order", [], { maxAttempts: 1 });
  const undo = async () =>
    (await world.client.listJobs({ parentId: job.jobId })).jobs.find(({ name }) => name !== "replay:failing");
  await until(async () => (await undo())?.status === "success", "it is undone");
  expect(world.effectsOf("order")).toEqual(["notify", "undo reserve goods"]);
  expect(await undo()).toMatchObject({ failures: 0, attempt: 1 });
});

testOnEachStore(
  "sources that swapped places are told apart, whether they are on record or still awaited",
  async (store) => {
    await using world = await createReplayWorld(store, "replay/deploy", "kill -9");
    const job = await world.start<string>("replay:swapped-sources", "order", [], OPTIONS);
    await until(async () => (await job.status()) === "suspended", "the first version waits");
    await world.replaceWorker(2);
    await world.client.emitEvent("order approved");
    expect(await job.result(20_000)).toBe("approved");
  },
);

testInterrupted(
  "code that adds a step and leaves one out goes on, and says so in the log and in jobs get (R10)",
  "replay/deploy",
  async (world) => {
    const job = await world.start("replay:drifted", "order", [], OPTIONS);
    await deploy(world, job, 2);
    expect(await job.result(20_000)).toEqual(["result of print label", "result of send mail"]);
    expect(world.effectsOf("order")).toEqual(["reserve goods", "print label", "send mail"]);
    expect(await job.details()).toMatchObject({ failures: 0 });
    expect(world.worker.stderr.match(/reserve goods/g) ?? []).toHaveLength(1);
    expect(await world.cli("jobs", "get", job.jobId)).toContain("reserve goods");
  },
);

/** An error of the code itself, not of the process that was killed; or an end that should not be. */
async function hasMetRecord(job: JobHandle): Promise<boolean> {
  const { error, finishedAt } = await job.details();
  return finishedAt !== undefined || (error !== undefined && error.reason !== "worker_lost");
}

/** The worker's process is replaced where its handler stands still, or while it waits and nobody remembers it. */
async function deploy(world: ReplayWorld, job: JobHandle, version: number): Promise<void> {
  if (world.interruption === "kill -9") await world.worker.line("stands still order");
  else await until(async () => (await job.status()) === "suspended", "the handler waits");
  await world.replaceWorker(version);
  await world.client.emitEvent("order goes on");
}
