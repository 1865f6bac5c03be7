/** Records that the code does not fit: the job waits for code that does, and nobody has to repair it. */
import { expect } from "bun:test";
import type { JobHandle } from "../../../src/sdk/index.ts";
import { type ReplayWorld, testInterrupted, until } from "../../support/replay-world.ts";

/** One failure would be the end. The time limit bounds the wait for what the code never asks for. */
const OPTIONS = { maxAttempts: 1, initialDelayMs: 100, timeoutMs: 3_000 };

const CASES = [
  { name: "of another kind", functionName: "replay:other-kind", steps: ["reserve goods"] },
  { name: "that it never asks for", functionName: "replay:never-asked", steps: ["print label", "reserve goods"] },
] as const;

for (const { name, functionName, steps } of CASES) {
  testInterrupted(
    `code that meets a record ${name} uses up no attempt, says which, and fitting code goes on (R10)`,
    "replay/deploy",
    async (world) => {
      const job = await world.start(functionName, "order", [], OPTIONS);
      await deploy(world, job, 2);
      await until(() => hasMetRecord(job), "the new code has met the record");
      const { status, failures, error } = await job.details();
      expect({ failures, isWaiting: status === "pending" || status === "running" }).toEqual({
        failures: 0,
        isWaiting: true,
      });
      expect(error?.reason as string).toBe("replay_mismatch");
      expect(error?.message).toMatch(/reserve goods|print label/);
      for (const command of ["explain", "get"]) {
        expect(await world.cli("jobs", command, job.jobId)).toMatch(/reserve goods|print label/);
      }
      expect(world.worker.stderr).toMatch(/reserve goods|print label/);
      await world.replaceWorker(1);
      const results = steps.toSorted().map((step) => `result of ${step}`);
      expect([await job.result(30_000)].flat().toSorted()).toEqual(results);
      expect(world.effectsOf("order").toSorted()).toEqual(steps.toSorted());
      expect(await job.details()).toMatchObject({ failures: 0 });
    },
  );
}

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
