/** The wall clock is set while jobs wait: what waits for a length is neither early nor late, what has a date keeps it. */
import { expect, test as anywhere } from "bun:test";
import type { Job } from "../../../src/daemon/core/job.ts";
import { SteadyClock } from "../../../src/daemon/core/steady-clock.ts";
import { adoptClockStep } from "../../../src/daemon/engine/clock/adopt-clock-step.ts";
import { moveDueJobs } from "../../../src/daemon/engine/jobs/move-due-jobs.ts";
import { createEngineWorld, fail } from "../../support/engine-world.ts";
import type { ManualClock } from "../../support/manual-clock.ts";

const HOUR = 3_600_000;
const FN = "test:fn";

/** With PostgreSQL the clock is the database's: what its machine does to it is its own affair. */
const test = anywhere.skipIf(process.env["RESEOLIO_TEST_ENGINE"] === "postgres");

async function steadyWorld() {
  const made: SteadyClock[] = [];
  const world = await createEngineWorld({}, (hands: ManualClock) => {
    const monotonic = () => hands.monotonic();
    const clock = new SteadyClock({ wall: () => hands.now(), monotonic, sinceBoot: monotonic });
    made.push(clock);
    return clock;
  });
  const [clock] = made as [SteadyClock];
  return Object.assign(world, { steady: clock });
}

for (const step of [HOUR, -HOUR]) {
  const name = step > 0 ? "forward" : "back";

  test(`P8: a retry waits its whole delay and no longer when the clock is set ${name} by an hour`, async () => {
    await using world = await steadyWorld();
    const worker = await world.connect("w1");
    const options = { maxAttempts: 5, initialDelayMs: 10_000, jitter: 0 };
    const jobId = await world.enqueue(FN, { options });
    await worker.assignedCount(1);
    await worker.report(worker.assigned[0] as Job, fail("once"));
    world.clock.jumpTo(world.clock.now() + step);
    await moveDueJobs(world.engine);
    expect(await world.read(jobId)).toMatchObject({ state: "PENDING" });
    expect(await adoptClockStep(world.engine, world.steady)).toBe(step);
    expect(world.engine.clock.now()).toBe(world.clock.now());
    world.clock.advance(9_999);
    await moveDueJobs(world.engine);
    expect(await world.read(jobId)).toMatchObject({ state: "PENDING", attempt: 1 });
    world.clock.advance(1);
    await moveDueJobs(world.engine);
    world.engine.lane.wake();
    await worker.assignedCount(2);
  });

  test(`a deadline of a length is kept when the clock is set ${name} by an hour`, async () => {
    await using world = await steadyWorld();
    const jobId = await world.enqueue(FN, { options: { startWithinMs: 10_000 } });
    world.clock.jumpTo(world.clock.now() + step);
    await adoptClockStep(world.engine, world.steady);
    world.clock.advance(9_999);
    await moveDueJobs(world.engine);
    expect(await world.read(jobId)).toMatchObject({ state: "PENDING" });
    world.clock.advance(1);
    await moveDueJobs(world.engine);
    expect(await world.read(jobId)).toMatchObject({ state: "CANCELLED" });
  });
}

test("a start that was asked for by date keeps its date", async () => {
  await using world = await steadyWorld();
  const runAt = world.clock.now() + 10 * HOUR;
  const jobId = await world.enqueue(FN, { options: { runAt } });
  world.clock.jumpTo(world.clock.now() + HOUR);
  await adoptClockStep(world.engine, world.steady);
  expect(await world.read(jobId)).toMatchObject({ runAt });
});

for (const step of [HOUR, -HOUR]) {
  const name = step > 0 ? "forward" : "back";

  test(`P12: a sleep lasts its whole length and no longer when the clock is set ${name} by an hour; one until a date ends then`, async () => {
    await using world = await steadyWorld();
    const worker = await world.connect("w1");
    const date = world.clock.now() + 10 * HOUR;
    const [napper, waiter] = [await world.enqueue(FN), await world.enqueue(FN)];
    await worker.assignedCount(2);
    const wait = (jobId: string, sleep: { readonly sleepMs: number } | { readonly sleepUntil: number }) =>
      worker.report(worker.assigned.find((job) => job.jobId === jobId) as Job, {
        kind: "park",
        waits: [{ name: "nap", kind: "sleep", ...sleep }],
        waitingNames: ["nap"],
      });
    await wait(napper, { sleepMs: 10_000 });
    await wait(waiter, { sleepUntil: date });
    world.clock.jumpTo(world.clock.now() + step);
    await moveDueJobs(world.engine);
    expect(await adoptClockStep(world.engine, world.steady)).toBe(step);
    world.clock.advance(9_999);
    await moveDueJobs(world.engine);
    expect(await world.read(napper)).toMatchObject({ state: "SUSPENDED" });
    world.clock.advance(1);
    await moveDueJobs(world.engine);
    await worker.assignedCount(3);
    expect(await world.read(waiter)).toMatchObject({ state: "SUSPENDED" });
    world.clock.jumpTo(date - 1);
    await adoptClockStep(world.engine, world.steady);
    await moveDueJobs(world.engine);
    expect(await world.read(waiter)).toMatchObject({ state: "SUSPENDED" });
    world.clock.advance(1);
    await moveDueJobs(world.engine);
    await worker.assignedCount(4);
  });
}
