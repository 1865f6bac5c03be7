/** Two daemons on one PostgreSQL database that fire and make the same schedules in the same moment. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { createSchedule } from "../../src/daemon/engine/schedules/create-schedule.ts";
import { fireDue, fireSchedules } from "../../src/daemon/engine/schedules/fire-schedules.ts";
import { pauseSchedule } from "../../src/daemon/engine/schedules/pause-schedule.ts";
import { SILENT_LOGGER } from "../../src/daemon/logger.ts";
import { createScheduleRunner } from "../../src/daemon/loops/schedule-runner.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { rejection } from "../support/rejection.ts";
import { twoDaemons } from "../support/two-daemons.ts";

const FN = "test:fn";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose]());

/** Makes a schedule of each second that has this many ticks due. */
async function scheduleWithDue(engine: Engine, name: string, due: number): Promise<number> {
  const { schedule } = await createSchedule(engine, name, { cron: "* * * * * *", functionName: FN, catchUp: "all" });
  const nextRunAt = Math.floor(schedule.createdAt / 1_000) * 1_000 - (due - 1) * 1_000;
  await engine.store.transact((tx) => tx.schedules.update({ ...schedule, nextRunAt }));
  return nextRunAt;
}

async function ticksOf(engine: Engine, name: string): Promise<readonly number[]> {
  const { jobs } = await engine.store.jobs.list({ filter: { scheduleName: name }, limit: 1_000, before: null });
  const ticks = await engine.store.schedules.listTicks(jobs.map((job) => job.jobId));
  expect(ticks.size).toBe(jobs.length);
  return [...ticks.values()].map(({ tickAt }) => tickAt ?? NaN).sort((left, right) => left - right);
}

/** Fires, and holds the transaction open until told what to do with it. */
function fireAndHold(engine: Engine) {
  const fired = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const done = engine.lane.run(async (lane) => {
    await fireDue(engine, lane, await lane.tx.schedules.listDue(10));
    fired.resolve();
    await end.promise;
  });
  return { fired: fired.promise, end, done };
}

test("P15: what one daemon is firing another neither fires nor waits for", async () => {
  await using it = await twoDaemons(database);
  const first = await scheduleWithDue(it.one, "s", 3);
  const held = fireAndHold(it.one);
  await held.fired;
  const startedAt = performance.now();
  await fireSchedules(it.two);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(it.two.schedules.fired).toBe(0);
  held.end.resolve();
  await held.done;
  await pauseSchedule(it.two, "s");
  const ticks = await ticksOf(it.two, "s");
  expect(ticks).toEqual(ticks.map((_, index) => first + index * 1_000));
  expect(ticks.length).toBeGreaterThanOrEqual(3);
});

test("a daemon that finds all that is due taken by another looks again now and then, and goes on when that is over", async () => {
  await using it = await twoDaemons(database);
  const first = await scheduleWithDue(it.one, "s", 3);
  const held = fireAndHold(it.one);
  await held.fired;
  let looks = 0;
  const ask = it.two.store.schedules.nextTick;
  Object.assign(it.two.store.schedules, { nextTick: () => (looks++, ask()) });
  const runner = createScheduleRunner(it.two, SILENT_LOGGER);
  runner.start();
  await Bun.sleep(1_000);
  expect(looks).toBeGreaterThan(1);
  expect(looks).toBeLessThan(25);
  held.end.reject(new Error("it dies"));
  await rejection(held.done);
  while (it.two.schedules.fired < 3) await Bun.sleep(20);
  await runner.stop();
  expect((await ticksOf(it.two, "s")).slice(0, 3)).toEqual([first, first + 1_000, first + 2_000]);
});

test("P15: what a daemon that dies was firing is fired by the other", async () => {
  await using it = await twoDaemons(database);
  const first = await scheduleWithDue(it.one, "s", 2);
  const held = fireAndHold(it.one);
  await held.fired;
  held.end.reject(new Error("it dies"));
  await rejection(held.done);
  await fireSchedules(it.two);
  expect((await ticksOf(it.two, "s")).slice(0, 2)).toEqual([first, first + 1_000]);
});

test("P15: a pause through one daemon waits for what another is firing, and nothing ticks after it", async () => {
  await using it = await twoDaemons(database);
  await scheduleWithDue(it.one, "s", 2);
  const held = fireAndHold(it.one);
  await held.fired;
  const pausing = pauseSchedule(it.two, "s");
  await Bun.sleep(150);
  held.end.resolve();
  await held.done;
  const { schedule } = await pausing;
  expect(schedule).toMatchObject({ state: "PAUSED", nextRunAt: null });
  const ticks = await ticksOf(it.one, "s");
  expect(schedule.lastRunAt).toBe(ticks.at(-1)!);
  expect(new Set(ticks).size).toBe(ticks.length);
  await fireSchedules(it.one);
  expect(await ticksOf(it.one, "s")).toEqual(ticks);
});

test("P15: two daemons that fire many schedules at once fire each tick once", async () => {
  await using it = await twoDaemons(database);
  const names = Array.from({ length: 30 }, (_, index) => `s-${index}`);
  const firsts = new Map<string, number>();
  for (const name of names) firsts.set(name, await scheduleWithDue(it.one, name, 5));
  for (let round = 0; round < 10; round++) {
    await Promise.all([fireSchedules(it.one), fireSchedules(it.two), fireSchedules(it.one), fireSchedules(it.two)]);
  }
  for (const name of names) await pauseSchedule(it.one, name);
  for (const name of names) {
    const ticks = await ticksOf(it.one, name);
    const first = firsts.get(name)!;
    expect(ticks).toEqual(ticks.map((_, index) => first + index * 1_000));
    expect(ticks.length).toBeGreaterThanOrEqual(5);
  }
}, 30_000);

test("a schedule made through two daemons at once is one", async () => {
  await using it = await twoDaemons(database);
  const input = { cron: "@daily", functionName: FN };
  const made = await Promise.all([it.one, it.two, it.one, it.two].map((engine) => createSchedule(engine, "s", input)));
  expect(made.filter(({ created }) => created)).toHaveLength(1);
  expect(new Set(made.map(({ schedule }) => schedule.scheduleId)).size).toBe(1);
});
