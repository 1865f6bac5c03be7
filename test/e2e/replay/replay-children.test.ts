/** P11: a child is the same job in every attempt of its parent: retried if it failed, never if it was cancelled. */
import { expect } from "bun:test";
import { rejection } from "../../support/rejection.ts";
import { type ReplayWorld, testInterrupted, until } from "../../support/replay-world.ts";

const AT_ONCE = { initialDelayMs: 0, jitter: 0 };

for (const silences of [3, 50]) {
  testInterrupted(
    `P11: a child that failed ${silences} times keeps its ID, records and attempts, and a provider sees one charge (R5)`,
    "replay/children",
    async (world) => {
      const job = await world.start<string>("replay:pay", "order", [silences], { ...AT_ONCE, maxAttempts: 60 });
      await world.interrupt(["order"]);
      const receipt = await job.result(50_000);
      const { jobs } = await world.client.listJobs({ name: "replay:charge", limit: 1000 });
      const ids = jobs.map(({ id }) => id);
      expect(ids).toHaveLength(1);
      expect(receipt).toBe(`receipt of ${ids[0]}`);
      const effects = world.effectsOf("order");
      expect(effects.filter((line) => line.startsWith("charged"))).toEqual([`charged by ${ids[0]}`]);
      expect(effects.filter((line) => line === "quoted")).toHaveLength(1);
      expect(effects.filter((line) => line === "asked to charge")).toHaveLength(silences + 1);
      expect(attemptsOf(effects)).toEqual(Array.from({ length: silences + 1 }, (_, n) => n + 1));
      expect(await job.details()).toMatchObject({ failures: silences });
    },
  );
}

/** Numbers of the attempts of the child that charged; the one in which it starts over has several executions. */
function attemptsOf(effects: readonly string[]): readonly number[] {
  const numbers = new Set<number>();
  let last = 0;
  for (const line of effects) {
    const [, attempt] = /^attempt (\d+) of the child$/.exec(line) ?? [];
    if (attempt !== undefined) last = Number(attempt);
    if (line === "asked to charge") numbers.add(last);
  }
  return [...numbers];
}

testInterrupted(
  "P11: a parent never starts a child again that an operator cancelled (R8)",
  "replay/children",
  async (world) => {
    const options = { ...AT_ONCE, maxAttempts: 3 };
    const ended = await world.start("replay:needs-child", "ended", [], options);
    const caught = await world.start<boolean>("replay:accepts-cancel", "caught", [], options);
    await Promise.all(["ended", "caught"].map((subject) => cancelChildOf(world, subject)));
    await world.interrupt(["caught"]);
    const failure = await rejection(ended.result(20_000));
    expect(failure).toMatchObject({ code: "job_failed", cause: { name: "JobCancelledError" } });
    expect(await ended.details()).toMatchObject({ failures: 3 });
    expect(await caught.result(20_000)).toBe(true);
    expect(await caught.details()).toMatchObject({ failures: 1 });
    const { jobs } = await world.client.listJobs({ name: "replay:patient" });
    expect(jobs.map(({ status, attempt }) => ({ status, attempt }))).toEqual([
      { status: "cancelled", attempt: 1 },
      { status: "cancelled", attempt: 1 },
    ]);
    // Neither did the worker begin it again for a moment.
    for (const subject of ["ended", "caught"]) {
      const begun = world.effectsOf(subject).filter((line) => line === "the child began");
      expect({ subject, begun: begun.length }).toEqual({ subject, begun: 1 });
    }
  },
);

/** As an operator does it, when the child waits. */
async function cancelChildOf(world: ReplayWorld, subject: string): Promise<void> {
  const childId = (): string | undefined =>
    world
      .effectsOf(subject)
      .find((line) => line.startsWith("child "))
      ?.slice("child ".length);
  await until(async () => {
    const id = childId();
    return id !== undefined && (await world.client.getJob(id)).status === "suspended";
  }, `the child of ${subject} waits`);
  await world.cli("jobs", "cancel", childId() ?? "");
}
