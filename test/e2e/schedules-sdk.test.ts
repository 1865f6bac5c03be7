/** Schedules from the SDK, on Bun and on Node. */
import { expect } from "bun:test";
import { join } from "node:path";
import { context } from "../../src/sdk/index.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { checkout } from "../support/executable.ts";
import { rejection } from "../support/rejection.ts";
import { runCommand, runOrThrow } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { tempDir } from "../support/temp-dir.ts";

testOnEachStore("P15: ticks run with the function's arguments, each knowing its tick", async (store) => {
  await using world = await store.createWorld();
  const app = await world.startClient({ workerConcurrency: 4 });
  const seen: { readonly region: string; readonly at: number }[] = [];
  const third = Promise.withResolvers<void>();
  const report = app.durable("t:report", async (region: string) => {
    const { scheduledAt } = context();
    seen.push({ region, at: scheduledAt?.getTime() ?? 0 });
    if (seen.length === 3) third.resolve();
    return { region };
  });
  const schedule = await report.schedule({ cron: "* * * * * *" }, "eu");
  await third.promise;
  expect(schedule.name).toBe("t:report");
  expect(new Set(seen.map(({ region }) => region))).toEqual(new Set(["eu"]));
  const times = seen.map(({ at }) => at).slice(0, 3);
  expect(times.map((at) => at - (times[0] ?? 0))).toEqual([0, 1_000, 2_000]);
  await schedule.pause();
  const details = await schedule.details();
  expect(details).toMatchObject({ status: "paused", functionName: "t:report", args: ["eu"], timezone: "UTC" });
  expect(details.lastRunAt).toEqual(await schedule.lastRunAt());
  expect(details.lastJob?.id).toBeString();
  const { jobs } = await app.listJobs({ schedule: "t:report" });
  expect(jobs.map((job) => job.scheduledAt?.getTime())).toEqual(
    jobs.map((_, index) => (jobs[0]?.scheduledAt?.getTime() ?? 0) - index * 1_000),
  );
  expect(jobs[0]).toMatchObject({ schedule: "t:report", name: "t:report" });
  expect(await (await schedule.trigger()).result(10_000)).toEqual({ region: "eu" });
  expect(seen.at(-1)?.at).toBe(0);
});

testOnEachStore("overlap skip: a job that is parked in a sleep has not ended, and holds no slot", async (store) => {
  await using world = await store.createWorld();
  const app = await world.startClient({ workerConcurrency: 1 });
  const ends = Promise.withResolvers<void>();
  let count = 0;
  const nap = app.durable("t:nap", async () => {
    await context().sleepFor("nap", 1_500);
    if (++count === 2) ends.resolve();
  });
  const schedule = await nap.schedule({ cron: "* * * * * *", overlap: "skip" });
  await ends.promise;
  await schedule.pause();
  const { jobs } = await app.listJobs({ schedule: "t:nap" });
  const ticks = jobs.map((job) => job.scheduledAt?.getTime() ?? 0);
  expect(ticks.length).toBeGreaterThanOrEqual(2);
  expect(ticks.slice(1).every((tick, index) => (ticks[index] ?? 0) - tick >= 2_000)).toBe(true);
  expect((await schedule.details()).skipped).toBeGreaterThanOrEqual(2);
});

testOnEachStore("a schedule is created once, and told apart by its content", async (store) => {
  await using world = await store.createWorld();
  const { client } = world;
  const run = client.durable("t:run", async (_region: string) => 1, { maxAttempts: 9, delayMs: 5 });
  const first = await run.schedule(
    { cron: "0 8 * * *", timezone: "America/New_York", jobOptions: { priority: 3 } },
    "eu",
  );
  const again = await run.schedule(
    { cron: "0 8 * * *", timezone: "America/New_York", jobOptions: { priority: 3 } },
    "eu",
  );
  expect(again.id).toBe(first.id);
  expect((await first.details()).jobOptions).toMatchObject({ maxAttempts: 9, priority: 3 });
  const conflict = await rejection(run.daily(9, { timezone: "America/New_York" }, "eu"));
  expect(conflict).toMatchObject({ code: "already_exists" });
  expect(String(conflict)).toContain('onDuplicate: "update"');

  const updated = await run.daily(9, { onDuplicate: "update" }, "us");
  expect(updated.id).toBe(first.id);
  const details = await client.getSchedule("t:run");
  expect(details).toMatchObject({ cron: "0 9 * * *", timezone: "UTC", args: ["us"], jobOptions: { maxAttempts: 9 } });
  expect(details.jobOptions.priority ?? 0).toBe(0);
  expect(details.nextRunAt?.getUTCHours()).toBe(9);
});

testOnEachStore("job options of an update go on top of the function's own", async (store) => {
  await using world = await store.createWorld();
  const run = world.client.durable("t:run", async () => 1, { maxAttempts: 9, delayMs: 5 });
  const schedule = await run.hourly({ jobOptions: { priority: 3 } });
  const updated = await schedule.update({ jobOptions: { timeoutMs: 0 } });
  expect(updated.jobOptions).toMatchObject({ maxAttempts: 9, timeoutMs: 0 });
  expect(updated.jobOptions.priority ?? 0).toBe(0);
  expect((await schedule.update({ jobOptions: null })).jobOptions).toMatchObject({ maxAttempts: 3, timeoutMs: 30_000 });
});

testOnEachStore(
  "P2: over a network that cuts replies each trigger is one job, each name one schedule",
  async (store) => {
    const random = seededRandom("P2 schedules");
    await using world = await store.createWorld();
    const proxy = world.own(await startCuttingProxy(world.daemon.address, random));
    const client = await world.startClient({ address: proxy.address });
    proxy.set({ cutReplies: 0.25 });
    const names = Array.from({ length: 20 }, (_, index) => `schedule ${index}`);
    const create = (name: string) => client.createSchedule("t:run", { name, cron: "@yearly" });
    const schedules = await Promise.all(names.map(create));
    const triggered = new Set<string>();
    for (const schedule of schedules) triggered.add((await schedule.trigger()).jobId);
    expect(proxy.cuts).toBeGreaterThan(2);
    const { jobs } = await world.client.listJobs({ name: "t:run", limit: 100 });
    expect(new Set(jobs.map(({ id }) => id))).toEqual(triggered);
    expect(jobs).toHaveLength(20);
    expect((await world.client.listSchedules({ limit: 100 })).schedules.map(({ id }) => id).sort()).toEqual(
      schedules.map(({ id }) => id).sort(),
    );
  },
);

testOnEachStore("calls about schedules wait while the daemon is away", async (store) => {
  await using world = await store.createWorld();
  const schedule = await world.client.createSchedule("t:run", { cron: "@yearly" });
  await world.daemon.kill();
  const answers = Promise.all([schedule.status(), schedule.pause(), world.client.listSchedules()]);
  await world.daemon.restart();
  const [status, paused, page] = await answers;
  expect([status === "deleted", paused.status, page.total]).toEqual([false, "paused", 1]);
});

testOnEachStore("a schedule is changed, paused, resumed, listed and deleted", async (store) => {
  await using world = await store.createWorld();
  const { client } = world;
  const schedule = await client.createSchedule("t:run", {
    name: "one",
    cron: "@hourly",
    catchUp: "all",
    maxCatchUp: 5,
  });
  await client.createSchedule("t:run", { name: "two", cron: "@daily" });
  const endAt = new Date(Date.now() + 86_400_000 * 400);
  expect(await schedule.update({ cron: "0 5 * * *", endAt, jitterMs: 10 })).toMatchObject({ cron: "0 5 * * *", endAt });
  const changed = await schedule.update({ endAt: null, catchUp: null, args: [1] });
  expect(changed).toMatchObject({ cron: "0 5 * * *", catchUp: "latest", args: [1], jitterMs: 10 });
  expect(changed.endAt).toBeUndefined();

  expect(await schedule.pause()).toMatchObject({ status: "paused" });
  expect(await schedule.pause()).toMatchObject({ status: "paused" });
  expect([await schedule.status(), await schedule.nextRunAt()]).toEqual(["paused", undefined]);
  expect(await schedule.resume()).toMatchObject({ status: "active" });
  expect((await schedule.nextRunAt())?.getUTCHours()).toBe(5);

  const page = await client.listSchedules({ limit: 1 });
  expect(page).toMatchObject({ total: 2, schedules: [{ name: "one" }] });
  const rest = await client.listSchedules({ limit: 1, pageToken: page.nextPageToken! });
  expect(rest.schedules.map(({ name }) => name)).toEqual(["two"]);
  expect(rest.nextPageToken).toBeUndefined();

  expect([await schedule.delete(), await schedule.delete()]).toEqual([true, false]);
  expect(await schedule.status()).toBe("deleted");
  expect(await rejection(schedule.details())).toMatchObject({ code: "not_found" });
  expect(await rejection(schedule.trigger())).toMatchObject({ code: "not_found" });
  expect(await client.listSchedules({ status: ["active", "paused"] })).toMatchObject({ total: 1 });
  expect((await client.listSchedules({ status: "deleted" })).schedules.map(({ id }) => id)).toEqual([schedule.id]);
  const next = await client.createSchedule("t:run", { name: "one", cron: "@weekly" });
  expect(next.id).not.toBe(schedule.id);
  expect([await schedule.status(), await next.status()]).toEqual(["deleted", "active"]);
});

testOnEachStore("a backfill enqueues the jobs of past ticks once, over several slices", async (store) => {
  await using world = await store.createWorld();
  const { client } = world;
  const schedule = await client.createSchedule("t:past", { name: "past", cron: "@hourly" });
  const from = new Date("2026-01-01T00:00:00Z");
  const to = new Date("2026-02-15T00:00:00Z");
  expect(await schedule.backfill({ from, to, dryRun: true })).toBe(45 * 24);
  expect(await client.backfillSchedule("past", { from, to })).toBe(45 * 24);
  expect(await schedule.backfill({ from, to })).toBe(0);
  const { jobs } = await client.listJobs({ schedule: "past", limit: 1 });
  expect(jobs[0]).toMatchObject({ name: "t:past", scheduledAt: new Date("2026-02-14T23:00:00Z") });
  const wrong = [
    [{}, "option from is missing"],
    [{ from: "2026-01-01" }, 'option from is "2026-01-01"; use a Date'],
    [{ from: to, to: from }, "which is not after from"],
    [{ from, until: to }, "option until does not exist; the options are from, to, dryRun"],
    [{ from, to: new Date("2099-01-01T00:00:00Z") }, "to"],
  ] as const;
  for (const [window, message] of wrong) {
    expect(await rejection(schedule.backfill(window as never))).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(message),
    });
  }
});

testOnEachStore("what the daemon refuses names the field and shows a right example", async (store) => {
  await using world = await store.createWorld();
  const create = (options: object) => rejection(world.client.createSchedule("t:run", { cron: "@daily", ...options }));
  for (const [options, message] of [
    [{ cron: "99 * * * *" }, /cron.*99.*0 8 \* \* 1-5/],
    [{ cron: "0 0 30 2 *" }, /cron.*0 0 30 2/],
    [{ timezone: "Mars/Olympus" }, /time_zone.*Mars\/Olympus.*Europe\/Berlin/],
  ] as const) {
    expect(await create(options)).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
  }
  expect(await rejection(world.client.previewSchedule({ cron: "* * 99 * *" }))).toMatchObject({
    code: "invalid_argument",
  });
  const faulty = { after: "tomorrow" as unknown as Date };
  const preview = (window: object) => rejection(world.client.previewSchedule({ cron: "@daily" }, window));
  expect(String(await preview(faulty))).toContain('option after is "tomorrow"; use a Date');
  expect(String(await preview({ count: 5_000 }))).toContain("count is 5000; use a whole number from 1 to 1000");
  expect((await world.client.listSchedules()).total).toBe(0);
});

const program = `
import { context, Reseolio } from ${JSON.stringify(join(checkout, "src/sdk/index.ts"))};
const reseolio = new Reseolio({ address: process.argv[2], autoStart: false, workerConcurrency: 4 });
await reseolio.start();
const ticks = [];
const enough = Promise.withResolvers();
const tick = reseolio.durable("node:tick", async (label) => {
  ticks.push([label, context().scheduledAt instanceof Date]);
  if (ticks.length === 2) enough.resolve();
  return label;
});
const schedule = await tick.schedule({ name: "every second", cron: "* * * * * *", overlap: "skip" }, "x");
await enough.promise;
await schedule.pause();
const triggered = await (await schedule.trigger()).result(10_000);
const { ticks: next, timezone } = await reseolio.previewSchedule({ cron: "30 2 * * *", timezone: "Europe/Berlin" }, { after: new Date("2027-03-27T12:00:00Z"), count: 1 });
const deleted = await schedule.delete();
await reseolio.stop();
console.log(JSON.stringify({ ticks: ticks.slice(0, 2), triggered, deleted, next: next[0], timezone, runtime: process.versions.bun ?? "node" }));
`;

testOnEachStore("on Node: ticks, trigger, preview; and nothing keeps the process alive", async (store) => {
  await using world = await store.createWorld();
  await using dir = await tempDir();
  const nodeProgram = program.replace("Promise.withResolvers()", "withResolvers()").concat(WITH_RESOLVERS);
  await Bun.write(dir.file("program.ts"), nodeProgram);
  const outfile = dir.file("program.mjs");
  await runOrThrow([process.execPath, "build", "--target", "node", dir.file("program.ts"), "--outfile", outfile], {
    cwd: checkout,
  });
  const { stdout, stderr, exitCode } = await runCommand(["node", outfile, world.daemon.address], { timeoutMs: 30_000 });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toEqual({
    ticks: [
      ["x", true],
      ["x", true],
    ],
    triggered: "x",
    deleted: true,
    next: {
      at: "2027-03-28T01:00:00.000Z",
      localTime: "2027-03-28T03:00:00+02:00",
      offsetChanged: true,
      inGap: true,
    },
    timezone: "Europe/Berlin",
    runtime: "node",
  });
});

/** Node 20 has no Promise.withResolvers. */
const WITH_RESOLVERS = `
function withResolvers() {
  let resolve;
  const promise = new Promise((done) => { resolve = done; });
  return { promise, resolve };
}
`;
