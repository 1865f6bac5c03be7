/** ScheduleService as its callers see it: what is refused by name, and how ticks and jobs are told. */
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "bun:test";
import { BadRequestSchema } from "#proto/gen/google/rpc/error_details_pb.ts";
import { fireSchedules } from "../../src/daemon/engine/schedules/fire-schedules.ts";
import { rejection } from "../support/rejection.ts";
import { createRouterWorld, type RouterWorld } from "../support/router-world.ts";

const SPEC = { cron: "* * * * *", functionName: "a:b" };

/** Code, and the fields that the details name. */
async function refusal(call: Promise<unknown>): Promise<readonly [Code, ...string[]]> {
  const error = ConnectError.from(await rejection(call));
  const fields = error
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations.map((one) => one.field));
  return [error.code, ...fields];
}

async function tick(world: RouterWorld): Promise<void> {
  world.clock.advance(60_000);
  await fireSchedules(world.engine);
}

test("faults name the fields as the protocol has them", async () => {
  await using world = await createRouterWorld();
  const { schedules } = world;
  const create = (spec: object) => refusal(schedules.createSchedule({ spec: { ...SPEC, ...spec } }));
  expect(await refusal(schedules.createSchedule({}))).toEqual([
    Code.InvalidArgument,
    "spec.cron",
    "spec.function_name",
  ]);
  expect(await create({ cron: "* * *", timeZone: "Nowhere" })).toEqual([
    Code.InvalidArgument,
    "spec.cron",
    "spec.time_zone",
  ]);
  expect(await create({ catchUp: 9 })).toEqual([Code.InvalidArgument, "spec.catch_up"]);
  expect(await create({ overlap: 9 })).toEqual([Code.InvalidArgument, "spec.overlap"]);
  expect(await create({ maxCatchUp: 0 })).toEqual([Code.InvalidArgument, "spec.max_catch_up"]);
  expect(await refusal(schedules.listSchedules({ states: [7 as never] }))).toEqual([Code.InvalidArgument, "states[0]"]);
  expect(await refusal(schedules.previewSchedule({ spec: { cron: "x" } }))).toEqual([
    Code.InvalidArgument,
    "spec.cron",
  ]);
  expect(await refusal(schedules.previewSchedule({ spec: SPEC, count: 1_001 }))).toEqual([
    Code.InvalidArgument,
    "count",
  ]);
  const after = { seconds: 1n << 60n, nanos: 0 };
  expect(await refusal(schedules.previewSchedule({ spec: SPEC, after }))).toEqual([Code.InvalidArgument, "after"]);
  expect(await refusal(schedules.backfillSchedule({ name: "a:b" }))).toEqual([Code.InvalidArgument, "from"]);
  expect(await refusal(schedules.backfillSchedule({ name: "a:b", from: after }))).toEqual([
    Code.InvalidArgument,
    "from",
  ]);
  expect(await refusal(schedules.getSchedule({ name: "a:b" }))).toEqual([Code.NotFound]);
  const changes = world.jobs.watchJobs({ filter: { scheduleName: "s" } })[Symbol.asyncIterator]();
  expect(await refusal(changes.next())).toEqual([Code.InvalidArgument, "filter.schedule_name"]);
  await schedules.createSchedule({ spec: SPEC });
  expect(await create({ cron: "@daily" })).toEqual([Code.AlreadyExists]);
});

test("a preview tells local times with their offsets, changes of the clock and ticks that stand for a gap", async () => {
  await using world = await createRouterWorld();
  const { ticks, timeZone } = await world.schedules.previewSchedule({
    spec: { cron: "30 2 * * *", timeZone: "America/New_York" },
    after: timestampFromDate(new Date("2027-03-13T00:00:00Z")),
    count: 3,
  });
  expect(timeZone).toBe("America/New_York");
  expect(ticks.map(({ localTime, offsetChanged, inGap }) => [localTime, offsetChanged, inGap])).toEqual([
    ["2027-03-13T02:30:00-05:00", false, false],
    ["2027-03-14T03:00:00-04:00", true, true],
    ["2027-03-15T02:30:00-04:00", false, false],
  ]);
});

test("a job tells the schedule and the tick that it comes from, in every answer", async () => {
  await using world = await createRouterWorld();
  world.engine.schedules.observe(world.clock.now());
  await world.enqueue("a:b");
  const { schedule } = await world.schedules.createSchedule({ name: "s", spec: SPEC });
  expect(timestampDate(schedule!.nextRunAt!)).toEqual(new Date("2026-01-01T00:01:00Z"));
  await tick(world);
  const { jobs } = await world.jobs.listJobs({});
  expect(jobs.map((job) => job.scheduleName).sort()).toEqual(["", "s"]);
  const [job] = (await world.jobs.listJobs({ filter: { scheduleName: "s" } })).jobs;
  expect(timestampDate(job!.scheduledAt!)).toEqual(new Date("2026-01-01T00:01:00Z"));
  const origin = { scheduleName: "s", scheduledAt: job!.scheduledAt! };
  const asked = { jobId: job!.jobId };
  expect((await world.jobs.getJob(asked)).job).toMatchObject(origin);
  expect((await world.jobs.explainJob(asked)).job).toMatchObject(origin);
  expect((await world.jobs.cancelJob(asked)).job).toMatchObject(origin);
  for await (const ended of world.jobs.awaitJobs({ jobIds: [asked.jobId] })) expect(ended.job).toMatchObject(origin);
  expect((await world.jobs.retryJob(asked)).job).toMatchObject(origin);
  const { jobId } = await world.schedules.triggerSchedule({ name: "s" });
  const triggered = (await world.jobs.getJob({ jobId })).job;
  expect([triggered?.scheduleName, triggered?.scheduledAt]).toEqual(["s", undefined]);
});

test("a bulk act takes the jobs of a schedule", async () => {
  await using world = await createRouterWorld();
  world.engine.schedules.observe(world.clock.now());
  await world.enqueue("a:b");
  await world.schedules.createSchedule({ name: "s", spec: SPEC });
  await tick(world);
  await tick(world);
  expect((await world.jobs.cancelJobs({ filter: { scheduleName: "s" } })).count).toBe(2);
});

test("a list leaves out what may be large, and counts all", async () => {
  await using world = await createRouterWorld();
  const args = new TextEncoder().encode('["large"]');
  for (const name of ["s-1", "s-2", "s-3"]) await world.schedules.createSchedule({ name, spec: { ...SPEC, args } });
  const first = await world.schedules.listSchedules({ pageSize: 2 });
  expect(first.schedules.map((one) => [one.name, one.spec?.args])).toEqual([
    ["s-1", undefined],
    ["s-2", undefined],
  ]);
  expect(first.total).toBe(3);
  const second = await world.schedules.listSchedules({ pageSize: 2, pageToken: first.nextPageToken });
  expect(second.schedules.map((one) => one.name)).toEqual(["s-3"]);
  expect(second.nextPageToken).toBe("");
  expect((await world.schedules.getSchedule({ name: "s-3" })).schedule?.spec?.args).toEqual(args);
});
