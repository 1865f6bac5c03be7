import { expect, test } from "bun:test";
import type { ScheduleSpecInput } from "../../src/daemon/core/schedule-spec.ts";
import { pruneJobs } from "../../src/daemon/engine/jobs/prune-jobs.ts";
import { backfillSchedule } from "../../src/daemon/engine/schedules/backfill-schedule.ts";
import { deleteSchedule } from "../../src/daemon/engine/schedules/delete-schedule.ts";
import { fireDue } from "../../src/daemon/engine/schedules/fire-schedules.ts";
import { pauseSchedule } from "../../src/daemon/engine/schedules/pause-schedule.ts";
import { pruneSchedules } from "../../src/daemon/engine/schedules/prune-schedules.ts";
import { getSchedule, listSchedules } from "../../src/daemon/engine/schedules/read-schedules.ts";
import { resumeSchedule } from "../../src/daemon/engine/schedules/resume-schedule.ts";
import { triggerSchedule } from "../../src/daemon/engine/schedules/trigger-schedule.ts";
import { updateSchedule } from "../../src/daemon/engine/schedules/update-schedule.ts";
import { rejection } from "../support/rejection.ts";
import { NAME, ScheduleWorld } from "./schedule-world.ts";
import {
  bytes,
  claim,
  claimOne,
  failed,
  FUNCTION,
  happen,
  type MakeStore,
  newJobId,
  read,
  stored,
  succeeded,
  text,
} from "./store-world.ts";

/** What schedules do on every store. Time starts at a full minute and stands still but where a test moves it. */
export function scheduleTests(makeStore: MakeStore): void {
  creationTests(makeStore);
  firingTests(makeStore);
  catchUpTests(makeStore);
  overlapTests(makeStore);
  changeTests(makeStore);
  pruneTests(makeStore);
  triggerTests(makeStore);
  backfillTests(makeStore);
  listTests(makeStore);
}

const MINUTELY: ScheduleSpecInput = { cron: "* * * * *" };

function creationTests(makeStore: MakeStore): void {
  test("a schedule reads back as it was given, with its defaults", async () => {
    await using world = await ScheduleWorld.with(makeStore, { cron: " 0 8 * * 1-5 ", timeZone: "Asia/Tokyo" });
    const { schedule, lastJob } = await world.get();
    expect(lastJob).toBeNull();
    expect(schedule).toMatchObject({
      name: NAME,
      state: "ACTIVE",
      createdAt: world.now,
      // Thursday, 1 January 2026, is a working day; 08:00 in Tokyo has passed an hour ago.
      nextRunAt: Date.UTC(2026, 0, 1, 23),
      lastRunAt: null,
      lastJobId: null,
      skipped: 0,
      spec: {
        cron: "0 8 * * 1-5",
        timeZone: "Asia/Tokyo",
        functionName: FUNCTION,
        args: bytes("[]"),
        catchUp: "latest",
        maxCatchUp: 100,
        overlap: "allow",
        jitterMs: 0,
        startAt: null,
        endAt: null,
      },
    });
  });

  test("every field is kept", async () => {
    const spec = {
      args: new Uint8Array([0, 1, 255]),
      options: { maxAttempts: 7, priority: -2, headers: { "x-ü": "🔑" }, startWithinMs: 5000 },
      catchUp: "all",
      maxCatchUp: 3,
      overlap: "skip",
      jitterMs: 250,
      startAt: Date.UTC(2026, 5, 1),
      endAt: Date.UTC(2026, 6, 1),
    } as const;
    await using world = await ScheduleWorld.with(makeStore, spec);
    const { schedule } = await world.get();
    expect(schedule.spec).toMatchObject(spec);
    expect(schedule.nextRunAt).toBe(spec.startAt);
  });

  test("the same name with the same content is the same schedule, whatever its order and its defaults", async () => {
    await using world = await ScheduleWorld.with(makeStore, { options: { headers: { a: "1", b: "2" } } });
    const again = await world.create({
      options: { headers: { b: "2", a: "1" }, maxAttempts: 3 },
      timeZone: "UTC",
      catchUp: "latest",
      args: bytes("[]"),
    });
    expect(again.created).toBeFalse();
    expect(again.schedule.scheduleId).toBe((await world.get()).schedule.scheduleId);
  });

  test("the same name with other content is refused, and says to update", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const others: readonly ScheduleSpecInput[] = [
      { cron: "0 * * * *" },
      { args: bytes("[1]") },
      { timeZone: "Europe/Berlin" },
      { options: { maxAttempts: 4 } },
      { endAt: world.now + 1e9 },
    ];
    for (const other of others) {
      expect(await rejection(world.create(other))).toMatchObject({
        code: "already_exists",
        message: expect.stringContaining("update it"),
      });
    }
  });

  test("without a name it has the name of its function", async () => {
    await using world = new ScheduleWorld(await makeStore());
    await world.create({}, "");
    expect((await world.get(FUNCTION)).schedule.name).toBe(FUNCTION);
  });

  const faults: readonly (readonly [ScheduleSpecInput, string])[] = [
    [{ cron: "" }, "spec.cron"],
    [{ cron: "61 * * * *" }, "spec.cron"],
    [{ timeZone: "Mars/Olympus" }, "spec.time_zone"],
    [{ functionName: "" }, "spec.function_name"],
    [{ args: new Uint8Array(1024 * 1024 + 1) }, "spec.args"],
    [{ options: { maxAttempts: 0 } }, "spec.options.max_attempts"],
    [{ options: { delayMs: 5 } }, "spec.options.delay_ms"],
    [{ options: { runAt: 5 } }, "spec.options.run_at"],
    [{ options: { idempotencyKey: "k" } }, "spec.options.idempotency_key"],
    [{ options: { onDuplicate: "reject" } }, "spec.options.on_duplicate"],
    [{ maxCatchUp: 0 }, "spec.max_catch_up"],
    [{ maxCatchUp: 10_001 }, "spec.max_catch_up"],
    [{ startAt: 2_000, endAt: 1_000 }, "spec.end_at"],
    [{ endAt: 1_000 }, "spec.end_at"],
    [{ startAt: 8.64e15 }, "spec.start_at"],
    [{ startAt: -1 }, "spec.start_at"],
    [{ startAt: NaN }, "spec.start_at"],
  ];
  test("each faulty field is named, and nothing is stored", async () => {
    await using world = new ScheduleWorld(await makeStore());
    for (const [input, field] of faults) {
      expect(await rejection(world.create(input))).toMatchObject({
        code: "invalid_argument",
        violations: [{ field }],
      });
    }
    expect(await rejection(world.create({}, "a\nb"))).toMatchObject({ violations: [{ field: "name" }] });
    expect(await rejection(world.create({}, "x".repeat(257)))).toMatchObject({ violations: [{ field: "name" }] });
    expect(
      (await listSchedules(world.engine, { states: [], functionName: "", pageSize: 0, pageToken: "" })).total,
    ).toBe(0);
  });
}

function firingTests(makeStore: MakeStore): void {
  test("P15: a tick enqueues one job at its time and not before, with its time in the headers", async () => {
    const options = { priority: 5, headers: { mine: "1" } };
    await using world = await ScheduleWorld.with(makeStore, { ...MINUTELY, args: bytes("[1]"), options });
    const start = world.now;
    world.world.clock.advance(59_999);
    await world.look();
    expect(await world.tickTimes()).toEqual([]);
    world.world.clock.advance(1);
    await world.look();
    await world.look();
    expect(await world.tickTimes()).toEqual([start + 60_000]);
    const job = await claimOne(world.world);
    expect(job).toMatchObject({
      priority: 5,
      headers: { mine: "1", "reseolio-schedule": NAME, "reseolio-scheduled-at": "2026-01-01T00:01:00.000Z" },
    });
    expect(text(job.args)).toBe("[1]");
    const { schedule } = await world.get();
    expect(schedule).toMatchObject({ lastRunAt: start + 60_000, lastJobId: job.jobId, nextRunAt: start + 120_000 });
    const ticks = await world.world.store.schedules.listTicks([job.jobId, newJobId(0), "no id"]);
    expect([...ticks]).toEqual([[job.jobId, { scheduleName: NAME, tickAt: start + 60_000 }]]);
  });

  test("the outcome of the last job is on the schedule", async () => {
    await using world = await ScheduleWorld.with(makeStore, { options: { maxAttempts: 1 } });
    await world.run(1);
    expect((await world.get()).lastJob).toEqual({ state: "PENDING", error: null });
    await happen(world.world, await claimOne(world.world), failed("no paper"));
    expect((await world.get()).lastJob).toMatchObject({ state: "DEAD", error: { message: "no paper" } });
    await world.run(1);
    await world.work();
    expect((await world.get()).lastJob).toEqual({ state: "SUCCESS", error: null });
  });

  test("P15: a tick has one job, whoever records it", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const { scheduleId } = (await world.get()).schedule;
    const tick = (tickAt: number | null) => ({ scheduleId, tickAt, jobId: newJobId(world.now) });
    const record = (...ticks: ReturnType<typeof tick>[]) =>
      world.world.store.transact((tx) => tx.schedules.recordTicks(ticks));
    expect(await record(tick(1_000), tick(2_000), tick(1_000))).toEqual([true, true, false]);
    expect(await record(tick(2_000), tick(3_000))).toEqual([false, true]);
    expect(await record(tick(null), tick(null))).toEqual([true, true]);
  });

  test("what is fired in a transaction that fails is not fired, and fires the next time", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const start = world.now;
    world.world.clock.advance(1_000);
    const { lane } = world.engine;
    const failing = lane.run(async (transaction) => {
      await fireDue(world.engine, transaction, await transaction.tx.schedules.listDue(10));
      throw new Error("the power fails");
    });
    expect(await rejection(failing)).toMatchObject({ message: expect.stringContaining("the power fails") });
    expect(await world.jobs()).toEqual([]);
    await world.look();
    expect(await world.ticks(start)).toEqual([1]);
  });

  test("a schedule whose zone this daemon does not know holds up no other, and ticks on when it is known", async () => {
    await using world = await ScheduleWorld.with(makeStore, MINUTELY);
    await world.create(MINUTELY, "strange");
    const { schedule } = await world.get("strange");
    const write = (timeZone: string) =>
      world.world.store.transact(async (tx) => {
        const now = await tx.schedules.get("strange");
        await tx.schedules.update({ ...now!, spec: { ...schedule.spec, timeZone } });
      });
    await write("Mars/Olympus");
    const faults: string[] = [];
    world.engine.schedules.faults.add((fault) => faults.push(fault));
    await world.run(70);
    expect(await world.tickTimes()).toEqual([schedule.createdAt + 60_000]);
    expect(await world.tickTimes("strange")).toEqual([]);
    expect(faults).toEqual([expect.stringMatching(/strange.*Mars/)]);
    await write("UTC");
    await world.run(60);
    expect(await world.tickTimes("strange")).toEqual([schedule.createdAt + 120_000]);
  });

  test("more schedules than fit into one commit all fire, each once", async () => {
    await using world = new ScheduleWorld(await makeStore());
    await world.look();
    for (let index = 0; index < 600; index++) await world.create(MINUTELY, `many-${index}`);
    world.world.clock.advance(60_000);
    await world.look();
    expect(await claim(world.world, 1_000)).toHaveLength(600);
    expect(world.engine.schedules.fired).toBe(600);
    world.world.clock.advance(1_000);
    await world.look();
    expect(world.engine.schedules.fired).toBe(600);
  }, 60_000);

  test("jitter delays a tick's job by its own length, within the bound", async () => {
    await using world = await ScheduleWorld.with(makeStore, { jitterMs: 700 });
    await world.run(20);
    const jobs = await world.jobs();
    const ticks = await world.world.store.schedules.listTicks(jobs.map((job) => job.jobId));
    const delays = jobs.map((job) => job.runAt - (ticks.get(job.jobId)?.tickAt ?? NaN));
    expect(delays).toHaveLength(20);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(700);
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  test("no tick before startAt, none after endAt, both inclusive", async () => {
    await using world = new ScheduleWorld(await makeStore());
    const start = world.now;
    await world.look();
    await world.create({ startAt: start + 3_000, endAt: start + 6_000 });
    await world.run(10);
    expect(await world.ticks(start)).toEqual([3, 4, 5, 6]);
    expect((await world.get()).schedule).toMatchObject({ state: "ACTIVE", nextRunAt: null, lastRunAt: start + 6_000 });
  });

  test("ticks go on when the daemon is late, each with its own job", async () => {
    await using world = await ScheduleWorld.with(makeStore, { catchUp: "none" });
    const start = world.now;
    // It looks, but what it fires has to wait, as when the disk is busy.
    for (let second = 0; second < 4; second++) {
      world.world.clock.advance(1_000);
      world.engine.schedules.observe(world.now);
    }
    await world.look();
    expect(await world.ticks(start)).toEqual([1, 2, 3, 4]);
    expect(world.engine.schedules.latenessSeconds).toBe(6);
  });
}

function catchUpTests(makeStore: MakeStore): void {
  const policies: readonly (readonly [ScheduleSpecInput, readonly number[]])[] = [
    [{ catchUp: "none" }, []],
    [{ catchUp: "latest" }, [10]],
    [{ catchUp: "all" }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ catchUp: "all", maxCatchUp: 4 }, [7, 8, 9, 10]],
  ];
  for (const [policy, expected] of policies) {
    test(`a daemon stopped over ten ticks does what ${JSON.stringify(policy)} says`, async () => {
      await using world = await ScheduleWorld.with(makeStore, { ...MINUTELY, ...policy });
      await world.run(61);
      const start = world.now - 1_000;
      // Ten ticks and a half.
      await world.stopFor(10 * 60 + 30);
      const caught = (await world.tickTimes()).map((at) => (at - start) / 60_000);
      expect(caught).toEqual([0, ...expected]);
      await world.run(60);
      expect((await world.tickTimes()).map((at) => (at - start) / 60_000)).toEqual([0, ...expected, 11]);
    });
  }

  test("a daemon that stood still over ten ticks is as one that was stopped", async () => {
    await using world = await ScheduleWorld.with(makeStore, MINUTELY);
    const start = world.now;
    world.world.clock.advance(10 * 60_000 + 30_000);
    await world.look();
    expect((await world.tickTimes()).map((at) => (at - start) / 60_000)).toEqual([10]);
  });

  test("a thousand of a month's missed ticks are caught up in slices, the latest of them", async () => {
    await using world = await ScheduleWorld.with(makeStore, { catchUp: "all", maxCatchUp: 1_000 });
    const start = world.now;
    await world.stopFor(30 * 86_400 + 0.5);
    const ticks = await world.ticks(start);
    // Ticks that another daemon may have seen come on top.
    const seen = world.world.store.kind === "sqlite" ? 0 : 5;
    expect(ticks).toHaveLength(1_000 + seen);
    expect(ticks[0]).toBe(30 * 86_400 - 999 - seen);
  }, 30_000);

  test("a tick at the moment of a takeover is not missed where another daemon may have been", async () => {
    await using world = await ScheduleWorld.with(makeStore, { catchUp: "none" });
    const start = world.now;
    await world.stopFor(3);
    expect(await world.ticks(start)).toEqual(world.world.store.kind === "sqlite" ? [3] : [1, 2, 3]);
  });
}

function overlapTests(makeStore: MakeStore): void {
  test("overlap skip leaves a tick out while the job of an earlier one has not ended, and counts it", async () => {
    await using world = await ScheduleWorld.with(makeStore, { overlap: "skip" });
    const start = world.now;
    await world.run(3);
    expect(await world.ticks(start)).toEqual([1]);
    const job = await claimOne(world.world);
    await world.run(1);
    expect((await world.get()).schedule).toMatchObject({ skipped: 3, lastRunAt: start + 1_000 });
    await happen(world.world, job, succeeded());
    await world.run(2);
    expect(await world.ticks(start)).toEqual([1, 5]);
    expect((await world.get()).schedule).toMatchObject({ skipped: 4, lastRunAt: start + 5_000 });
    expect(world.engine.schedules.skipped).toBe(4);
  });

  test("a job that waits for its next attempt has not ended", async () => {
    await using world = await ScheduleWorld.with(makeStore, { overlap: "skip" });
    const start = world.now;
    await world.run(1);
    await happen(world.world, await claimOne(world.world), failed());
    await world.run(1);
    expect(await world.ticks(start)).toEqual([1]);
  });

  test("an update from allow to skip sees jobs of all earlier ticks", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const start = world.now;
    await world.run(3);
    await updateSchedule(world.engine, NAME, { overlap: "skip" }, []);
    // The latest two end, the first does not.
    const jobs = await claim(world.world, 3);
    for (const job of jobs.slice(1)) await happen(world.world, job, succeeded());
    await world.run(1);
    expect(await world.ticks(start)).toEqual([1, 2, 3]);
    await happen(world.world, jobs[0]!, succeeded());
    await world.run(1);
    expect(await world.ticks(start)).toEqual([1, 2, 3, 5]);
  });

  test("of ticks that are caught up together, the first is what the others overlap with", async () => {
    await using world = await ScheduleWorld.with(makeStore, { ...MINUTELY, overlap: "skip", catchUp: "all" });
    await world.stopFor(5 * 60);
    expect(await world.tickTimes()).toHaveLength(1);
    expect((await world.get()).schedule.skipped).toBe(4);
  });
}

function changeTests(makeStore: MakeStore): void {
  test("ticks over a pause enqueue nothing and are not caught up", async () => {
    await using world = await ScheduleWorld.with(makeStore, { catchUp: "all" });
    const start = world.now;
    await world.run(1);
    expect((await pauseSchedule(world.engine, NAME)).schedule).toMatchObject({ state: "PAUSED", nextRunAt: null });
    await world.run(3);
    await pauseSchedule(world.engine, NAME);
    const { schedule } = await resumeSchedule(world.engine, NAME);
    expect(schedule).toMatchObject({ state: "ACTIVE", nextRunAt: start + 5_000 });
    await world.run(2);
    expect(await world.ticks(start)).toEqual([1, 5, 6]);
  });

  test("a tick that is due fires before a pause takes effect", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const start = world.now;
    world.world.clock.advance(1_500);
    const { schedule } = await pauseSchedule(world.engine, NAME);
    expect(schedule).toMatchObject({ state: "PAUSED", lastRunAt: start + 1_000 });
    expect(await world.ticks(start)).toEqual([1]);
  });

  test("an update while a tick is due fires it by the old rule, and the next by the new one", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const start = world.now;
    world.world.clock.advance(1_500);
    const { schedule } = await updateSchedule(world.engine, NAME, { cron: "0 * * * *", timeZone: "Asia/Kolkata" }, []);
    expect(await world.ticks(start)).toEqual([1]);
    expect(schedule).toMatchObject({ nextRunAt: Date.UTC(2026, 0, 1, 0, 30), updatedAt: start + 1_500 });
    await world.run(5);
    expect(await world.ticks(start)).toEqual([1]);
  });

  test("an update changes what is given, clears what is named, and keeps the rest", async () => {
    await using world = await ScheduleWorld.with(makeStore, {
      jitterMs: 5,
      options: { priority: 3 },
      args: bytes("[1]"),
    });
    const before = (await world.get()).schedule;
    await updateSchedule(world.engine, NAME, { catchUp: "none", args: bytes("[2]") }, ["jitter_ms"]);
    const { schedule } = await world.get();
    expect(schedule.spec).toEqual({ ...before.spec, catchUp: "none", args: bytes("[2]"), jitterMs: 0 });
    expect(schedule.nextRunAt).toBe(before.nextRunAt);
    await updateSchedule(world.engine, NAME, {}, ["options"]);
    expect((await world.get()).schedule.spec.options.priority).toBe(0);
  });

  test("a faulty update changes nothing", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const before = await world.get();
    const faulty = [
      [{ cron: "x" }, [], "spec.cron"],
      [{}, ["cron"], "clear_fields[0]"],
      [{}, ["toString"], "clear_fields[0]"],
      [{ jitterMs: 1 }, ["jitter_ms"], "clear_fields[0]"],
    ] as const;
    for (const [input, clear, field] of faulty) {
      const fault = await rejection(updateSchedule(world.engine, NAME, input, clear));
      expect(fault).toMatchObject({ code: "invalid_argument", violations: [{ field }] });
    }
    expect(await world.get()).toEqual(before);
  });

  test("what is not there is not found", async () => {
    await using world = new ScheduleWorld(await makeStore());
    const { engine } = world;
    for (const verb of [
      getSchedule(engine, "no"),
      updateSchedule(engine, "no", {}, []),
      pauseSchedule(engine, "no"),
      resumeSchedule(engine, "no"),
      triggerSchedule(engine, "no", null),
    ]) {
      expect(await rejection(verb)).toMatchObject({ code: "not_found", message: expect.stringContaining('"no"') });
    }
    expect(await deleteSchedule(engine, "no")).toBeFalse();
  });

  test("a schedule deleted during a run leaves the run alone; its name is free, its jobs keep it", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    await world.run(1);
    const job = await claimOne(world.world);
    expect(await deleteSchedule(world.engine, NAME)).toBeTrue();
    expect(await deleteSchedule(world.engine, NAME)).toBeFalse();
    await world.run(2);
    expect(await happen(world.world, job, succeeded())).toBeTrue();
    expect((await read(world.world, job.jobId)).state).toBe("SUCCESS");
    expect(await rejection(world.get())).toMatchObject({ code: "not_found" });
    const again = await world.create({ cron: "*/2 * * * * *" });
    expect(again.created).toBeTrue();
    await world.run(2);
    expect(await world.jobs()).toHaveLength(2);
    expect((await world.world.store.schedules.listTicks([job.jobId])).get(job.jobId)?.scheduleName).toBe(NAME);
  });
}

function pruneTests(makeStore: MakeStore): void {
  test("a deleted schedule is forgotten when its retention has passed and its last job is gone", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const retention = { finishedMs: 60_000, deadMs: 60_000, eventMs: 60_000 };
    const prune = () => pruneSchedules(world.engine, retention);
    await world.create({}, "other");
    await world.run(1);
    await world.work();
    await deleteSchedule(world.engine, NAME);
    expect(await prune()).toBe(0);
    world.world.clock.advance(60_001);
    expect(await prune()).toBe(0);
    expect(await world.jobs()).toHaveLength(1);
    expect(await pruneSchedules(world.engine, { ...retention, finishedMs: 0 })).toBe(0);
    await pruneJobs(world.engine, retention, () => false);
    expect(await prune()).toBe(1);
    const left = await listSchedules(world.engine, {
      ...{ states: ["ACTIVE", "PAUSED", "DELETED"], functionName: "", pageSize: 0, pageToken: "" },
    });
    expect(left.schedules.map(({ schedule }) => schedule.name)).toEqual(["other"]);
  });
}

function triggerTests(makeStore: MakeStore): void {
  test("a trigger enqueues one job beside the ticks, also while paused", async () => {
    await using world = await ScheduleWorld.with(makeStore, { args: bytes("[7]"), overlap: "skip" });
    await pauseSchedule(world.engine, NAME);
    const jobId = await triggerSchedule(world.engine, NAME, null);
    const job = await claimOne(world.world);
    expect(job).toMatchObject({ jobId, headers: { "reseolio-schedule": NAME } });
    expect(text(job.args)).toBe("[7]");
    expect((await world.jobs()).map((one) => one.jobId)).toEqual([jobId]);
    expect((await world.get()).schedule.lastRunAt).toBeNull();
    // Not a tick, so no tick overlaps with it.
    await resumeSchedule(world.engine, NAME);
    await world.run(1);
    expect(await world.tickTimes()).toHaveLength(1);
  });

  test("a trigger that is repeated with its id is one job; the id of another function's job is refused", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const jobId = Bun.randomUUIDv7();
    expect(await triggerSchedule(world.engine, NAME, jobId)).toBe(jobId);
    expect(await triggerSchedule(world.engine, NAME, jobId)).toBe(jobId);
    expect(await world.jobs()).toHaveLength(1);
    const other = await stored(world.world, { functionName: "test:other", jobId: Bun.randomUUIDv7() });
    expect(await rejection(triggerSchedule(world.engine, NAME, other))).toMatchObject({ code: "already_exists" });
    expect(await rejection(triggerSchedule(world.engine, NAME, "no id"))).toMatchObject({ code: "invalid_argument" });
  });
}

function backfillTests(makeStore: MakeStore): void {
  test("a backfill enqueues past ticks that have no job, by page, and a dry run tells how many", async () => {
    await using world = await ScheduleWorld.with(makeStore, { jitterMs: 100 });
    const start = world.now;
    await world.run(3);
    await world.stopFor(7);
    expect(await world.ticks(start)).toEqual(
      world.world.store.kind === "sqlite" ? [1, 2, 3, 10] : [1, 2, 3, 5, 6, 7, 8, 9, 10],
    );
    const range = { name: NAME, from: start - 2_000, to: start + 6_000, dryRun: false, pageSize: 0, pageToken: "" };
    const open = world.world.store.kind === "sqlite" ? [-2, -1, 0, 4, 5] : [-2, -1, 0, 4];
    const dry = await backfillSchedule(world.engine, { ...range, dryRun: true });
    expect(dry).toEqual({ count: open.length, jobIds: [], nextPageToken: "" });
    const first = await backfillSchedule(world.engine, { ...range, pageSize: 3 });
    expect(first.count).toBe(3);
    const second = await backfillSchedule(world.engine, { ...range, pageToken: first.nextPageToken });
    expect(second).toMatchObject({ count: open.length - 3, nextPageToken: "" });
    expect((await world.ticks(start)).slice(0, 9)).toEqual([
      -2,
      -1,
      0,
      1,
      2,
      3,
      4,
      5,
      world.world.store.kind === "sqlite" ? 10 : 6,
    ]);
    expect(await backfillSchedule(world.engine, range)).toMatchObject({ count: 0, jobIds: [] });
    expect((await world.get()).schedule.lastRunAt).toBe(start + 10_000);
  });

  test("P15: a tick that a backfill was first to enqueue is not fired again", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const start = world.now;
    world.world.clock.advance(1_500);
    const range = { name: NAME, from: start + 1, to: start + 1_500, dryRun: false, pageSize: 0, pageToken: "" };
    expect((await backfillSchedule(world.engine, range)).count).toBe(1);
    await world.look();
    expect((await world.get()).schedule.nextRunAt).toBe(start + 2_000);
    expect(await world.ticks(start)).toEqual([1]);
    expect(await claim(world.world, 10)).toHaveLength(1);
  });

  test("later ticks wait for jobs of a backfill, when they are to skip", async () => {
    await using world = await ScheduleWorld.with(makeStore, { overlap: "skip" });
    await world.run(1);
    await world.work();
    await world.run(1);
    await world.work();
    const range = {
      name: NAME,
      from: world.now - 60_000,
      to: world.now - 59_000,
      dryRun: false,
      pageSize: 0,
      pageToken: "",
    };
    expect((await backfillSchedule(world.engine, range)).count).toBe(1);
    await world.run(1);
    expect((await world.get()).schedule.skipped).toBe(1);
    await world.work();
    await world.run(1);
    expect((await world.get()).schedule.skipped).toBe(1);
  });

  test("a range that is empty or to come is refused", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const range = { name: NAME, from: 5_000, to: 6_000, dryRun: false, pageSize: 0, pageToken: "" };
    for (const [wrong, field] of [
      [{ from: -1 }, "from"],
      [{ to: 5_000 }, "to"],
      [{ to: world.now + 60_000 }, "to"],
      [{ pageSize: 1_001 }, "page_size"],
      [{ pageToken: "x" }, "page_token"],
    ] as const) {
      const fault = await rejection(backfillSchedule(world.engine, { ...range, ...wrong }));
      expect(fault).toMatchObject({ code: "invalid_argument", violations: [{ field }] });
    }
  });

  test("a job that is deleted takes its tick with it", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    const start = world.now;
    await world.run(2);
    await world.work();
    const [newest, oldest] = (await world.jobs()).map((job) => job.jobId) as [string, string];
    const { store } = world.world;
    expect(await store.transact((tx) => tx.jobs.delete([newest]))).toEqual([newest]);
    expect(await world.ticks(start)).toEqual([1]);
    world.world.clock.advance(60_000);
    await store.transact((tx) => tx.jobs.prune({ state: "SUCCESS", finishedBefore: world.now, limit: 10 }));
    expect(await store.jobs.get(oldest)).toBeNull();
    expect(await world.ticks(start)).toEqual([]);
    expect((await world.get()).lastJob).toBeNull();
    const range = { name: NAME, from: start + 1, to: start + 3_000, dryRun: false, pageSize: 0, pageToken: "" };
    expect((await backfillSchedule(world.engine, range)).count).toBe(2);
  });
}

function listTests(makeStore: MakeStore): void {
  test("schedules are listed by name, page by page, with how many there are", async () => {
    await using world = new ScheduleWorld(await makeStore());
    for (const name of ["b", "a", "ä", "c", "B"]) await world.create({}, name);
    await pauseSchedule(world.engine, "b");
    await deleteSchedule(world.engine, "c");
    await world.create({ functionName: "test:other" }, "d");
    const list = async (query: Partial<Parameters<typeof listSchedules>[1]> = {}) => {
      const page = await listSchedules(world.engine, {
        states: [],
        functionName: "",
        pageSize: 0,
        pageToken: "",
        ...query,
      });
      return { ...page, names: page.schedules.map(({ schedule }) => schedule.name) };
    };
    expect(await list()).toMatchObject({ names: ["B", "a", "b", "d", "ä"], total: 5, nextPageToken: "" });
    const first = await list({ pageSize: 2 });
    expect(first).toMatchObject({ names: ["B", "a"], total: 5 });
    const second = await list({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.names).toEqual(["b", "d"]);
    expect(await list({ pageToken: second.nextPageToken })).toMatchObject({ names: ["ä"], nextPageToken: "" });
    expect(await list({ states: ["PAUSED"] })).toMatchObject({ names: ["b"], total: 1 });
    expect(await list({ states: ["DELETED"] })).toMatchObject({ names: ["c"], total: 1 });
    expect(await list({ functionName: "test:other" })).toMatchObject({ names: ["d"], total: 1 });
    expect(await list({ functionName: "test:none" })).toMatchObject({ names: [], total: 0 });
    expect(await rejection(list({ pageToken: "x" }))).toMatchObject({ code: "invalid_argument" });
    expect(await rejection(list({ pageSize: 1_001 }))).toMatchObject({ code: "invalid_argument" });
  });

  test("a list leaves args out, which could be a gigabyte", async () => {
    await using world = new ScheduleWorld(await makeStore());
    const args = new Uint8Array(1_000_000).fill(32);
    await world.create({ args }, "large");
    const page = { states: [], functionName: "", pageSize: 0, pageToken: "" };
    const [listed] = (await listSchedules(world.engine, page)).schedules;
    expect(listed?.schedule.spec.args.length).toBe(0);
    expect((await getSchedule(world.engine, "large")).schedule.spec.args).toEqual(args);
  });

  test("jobs are listed by schedule, together with the other filters", async () => {
    await using world = await ScheduleWorld.with(makeStore);
    await world.create({ functionName: "test:other" }, "other");
    await stored(world.world, { headers: { "reseolio-schedule": NAME } });
    await world.run(3);
    const { store } = world.world;
    const ids = (await world.jobs()).map((job) => job.jobId);
    expect(ids).toHaveLength(3);
    expect(ids).toEqual([...ids].sort().reverse());
    const count = async (filter: Parameters<typeof store.jobs.list>[0]["filter"]) =>
      (await store.jobs.list({ filter, limit: 50, before: null })).jobs.length;
    await happen(world.world, await claimOne(world.world), succeeded());
    await world.work();
    await world.run(1);
    expect(await count({ scheduleName: NAME })).toBe(4);
    expect(await count({ scheduleName: NAME, states: ["PENDING"] })).toBe(1);
    expect(await count({ scheduleName: NAME, functionNames: ["test:other"] })).toBe(0);
    expect(await count({ scheduleName: NAME, jobIds: ids.slice(1) })).toBe(2);
    expect(await count({ scheduleName: "other", jobIds: ids })).toBe(0);
    expect(await count({ scheduleName: "none" })).toBe(0);
    expect(await count({ scheduleName: NAME, createdAfter: world.now })).toBe(1);
  });
}
