/** Schedules from a shell. */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { type StoreWorld, testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { type CommandOptions, type CommandResult, environment, runCommand } from "../support/run-command.ts";

function cli(world: StoreWorld, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand([...reseolioCommand(), ...args], { ...options, env: { RESEOLIO_ADDR: world.daemon.address } });
}

/** Like `cli`, but expects exit code 0; returns stdout. */
async function ok(world: StoreWorld, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await cli(world, args, options);
  if (exitCode !== 0) throw new Error(`reseolio ${args.join(" ")}: exit code ${exitCode}\n${stdout}${stderr}`);
  return stdout;
}

interface ScheduleJson {
  readonly state: string;
  readonly cron: string;
  readonly timezone: string;
  readonly nextRunAt: string | null;
  readonly lastRunAt: string | null;
  readonly lastJob: { readonly jobId: string; readonly state: string } | null;
}

async function getSchedule(world: StoreWorld, name: string): Promise<ScheduleJson> {
  return JSON.parse(await ok(world, ["schedules", "get", name, "--json"])) as ScheduleJson;
}

/** `reseolio work NAME -- COMMAND`, until the world ends. */
async function startWork(world: StoreWorld, name: string, command: readonly string[]): Promise<void> {
  const [file = "", ...leading] = reseolioCommand();
  const child = spawn(file, [...leading, "work", name, "--", ...command], {
    env: environment({ RESEOLIO_ADDR: world.daemon.address }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  world.own({
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
    },
  });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error("work ended")));
    child.stderr.on("data", (chunk: Buffer) => chunk.toString().includes("serving ") && resolve());
  });
}

/** Polls until the answer is right. */
async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  const endAt = performance.now() + 15_000;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (performance.now() > endAt) throw new Error(`still ${JSON.stringify(answer)}`);
    await Bun.sleep(50);
  }
}

testOnEachStore("a schedule every second on a command is seen with its last outcome and its jobs", async (store) => {
  await using world = await store.createWorld();
  await startWork(world, "demo:tick", ["sh", "-c", 'date >&2; echo "$RESEOLIO_SCHEDULED_AT"']);
  const create = ["schedules", "create", "tick", "-f", "demo:tick", "--cron", "* * * * * *"];
  const created = await cli(world, create);
  expect(created.exitCode).toBe(0);
  expect(created.stderr).toContain("created schedule tick");
  expect(created.stderr).not.toContain("no worker");
  const mistyped = await cli(world, ["schedules", "create", "mistyped", "-f", "demo:tik", "--cron", "@yearly", "-q"]);
  expect(mistyped.stderr).toContain("no worker serves demo:tik at the moment; did you mean demo:tick?");
  const ticks = created.stdout.trimEnd().split("\n");
  expect(ticks).toHaveLength(5);
  const times = ticks.map((line) => Date.parse(line.split("\t")[1] ?? ""));
  expect(times.map((at) => at - (times[0] ?? 0))).toEqual([0, 1_000, 2_000, 3_000, 4_000]);

  const seen = await until(
    () => getSchedule(world, "tick"),
    (schedule) => schedule.lastJob?.state === "SUCCESS",
  );
  expect(seen).toMatchObject({ state: "ACTIVE", cron: "* * * * * *", timezone: "UTC" });
  const jobs = await until(
    () => ok(world, ["jobs", "list", "--schedule", "tick", "--state", "success", "--jsonl"]),
    (lines) => lines.trimEnd().split("\n").length >= 3,
  );
  const rows = jobs
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { jobId: string; schedule: string; scheduledAt: string; functionName: string });
  const [newest] = rows;
  expect(await ok(world, ["jobs", "result", newest?.jobId ?? ""])).toBe(`"${newest?.scheduledAt}"\n`);
  const scheduled = rows.map((row) => Date.parse(row.scheduledAt) / 1_000);
  expect(scheduled).toEqual(scheduled.map((_, index) => (scheduled[0] ?? 0) - index));
  expect(new Set(rows.map((row) => `${row.schedule} ${row.functionName}`))).toEqual(new Set(["tick demo:tick"]));
  const sheet = await ok(world, ["jobs", "get", seen.lastJob?.jobId ?? ""]);
  expect(sheet).toContain("schedule\ttick\n");
  expect(sheet).toMatch(/^tick\t\d{4}-\d\d-\d\dT/m);
  expect(await ok(world, ["jobs", "list", "--schedule", "other", "-q"])).toBe("");
});

testOnEachStore("the same content again is found, other content is a conflict unless it may update", async (store) => {
  await using world = await store.createWorld();
  const create = (...more: string[]) =>
    cli(world, ["schedules", "create", "nightly", "-f", "t:run", "--tz", "Europe/Berlin", ...more]);
  expect(await create("--cron", "0 3 * * *", "-q")).toMatchObject({ stdout: "nightly\n", exitCode: 0 });
  const again = await create("--cron", "0 3 * * *", "--json");
  expect(JSON.parse(again.stdout)).toMatchObject({ created: false, name: "nightly", timezone: "Europe/Berlin" });
  const other = await create("--cron", "0 4 * * *");
  expect(other).toMatchObject({ exitCode: 8, stdout: "" });
  expect(other.stderr).toContain("reseolio schedules update nightly");
  expect(await create("--cron", "0 4 * * *", "--on-duplicate", "update")).toMatchObject({ exitCode: 0 });
  expect((await getSchedule(world, "nightly")).cron).toBe("0 4 * * *");
  await ok(world, [
    "schedules",
    "update",
    "nightly",
    "--end-at",
    "2099-01-01",
    "--jitter",
    "5s",
    "--max-attempts",
    "7",
  ]);
  expect(await getSchedule(world, "nightly")).toMatchObject({ jitterMs: 5_000, options: { maxAttempts: 7 } });
  await ok(world, ["schedules", "update", "nightly", "--priority", "3", "--retry-jitter", "0"]);
  const options = { maxAttempts: 7, priority: 3, jitter: 0 };
  expect(await getSchedule(world, "nightly")).toMatchObject({ jitterMs: 5_000, options });
  await ok(world, ["schedules", "update", "nightly", "--clear", "end-at,jitter,tz"]);
  expect(await getSchedule(world, "nightly")).toMatchObject({ jitterMs: 0, endAt: null, timezone: "UTC" });
});

testOnEachStore("pause, resume, trigger and delete act on names, also from stdin", async (store) => {
  await using world = await store.createWorld();
  await startWork(world, "t:echo", ["cat"]);
  for (const name of ["a", "b", "with space"]) {
    await ok(world, ["schedules", "create", name, "-f", "t:echo", "--cron", "@yearly", "--args", '["x"]', "-q"]);
  }
  expect(await ok(world, ["schedules", "pause", "a", "with space"])).toBe("a\nwith space\n");
  expect(await ok(world, ["schedules", "list", "-s", "paused", "-q"])).toBe("a\nwith space\n");
  expect(await getSchedule(world, "a")).toMatchObject({ state: "PAUSED", nextRunAt: null });
  const status = JSON.parse(await ok(world, ["status", "--json"])) as { readonly schedules: unknown };
  const nextYear = `${new Date().getUTCFullYear() + 1}-01-01T00:00:00.000Z`;
  expect(status.schedules).toEqual({ active: 1, paused: 2, nextRunAt: nextYear, overdueMs: 0 });
  expect(await cli(world, ["schedules", "resume", "-"], { stdin: "a\n" })).toMatchObject({ exitCode: 2 });
  const paused = await ok(world, ["schedules", "list", "-s", "paused"]);
  expect(await ok(world, ["schedules", "resume", "-", "--yes"], { stdin: paused })).toBe("a\nwith space\n");
  expect(await ok(world, ["schedules", "trigger", "b", "--wait"])).toBe('["x"]\n');
  const jobId = (await ok(world, ["schedules", "trigger", "b"])).trim();
  expect(await ok(world, ["jobs", "get", jobId])).toContain("schedule\tb\n");

  const deleted = await cli(world, ["schedules", "delete", "a", "nobody"]);
  expect(deleted).toMatchObject({ exitCode: 3, stdout: "a\n" });
  expect(deleted.stderr).toContain('"nobody"');
  expect(await ok(world, ["schedules", "list", "-q"])).toBe("b\nwith space\n");
  expect(await ok(world, ["schedules", "list", "-q", "-s", "deleted"])).toBe("a\n");
  for (const verb of ["get", "pause", "resume", "trigger", "preview"]) {
    expect({ verb, ...(await cli(world, ["schedules", verb, "nobody"])) }).toMatchObject({ exitCode: 3, stdout: "" });
  }
  expect((await cli(world, ["schedules", "update", "nobody", "--cron", "@daily"])).exitCode).toBe(3);
});

testOnEachStore("backfill enqueues the jobs of past ticks once", async (store) => {
  await using world = await store.createWorld();
  const create = ["schedules", "create", "hourly", "-f", "t:run", "--cron", "@hourly", "--start-at", "2026-01-01"];
  await ok(world, [...create, "-q"]);
  const backfill = (...more: string[]) =>
    cli(world, ["schedules", "backfill", "hourly", ...["--from", "2026-01-02T00:00:00Z"], ...more]);
  const oneDay = ["--to", "2026-01-03T00:00:00Z"];
  expect(await backfill(...oneDay)).toMatchObject({ exitCode: 2, stdout: "" });
  expect(await backfill(...oneDay, "--dry-run")).toMatchObject({ exitCode: 0, stdout: "24\n" });
  const { stdout, exitCode } = await backfill(...oneDay, "--yes");
  expect({ exitCode, lines: stdout.trimEnd().split("\n").length }).toEqual({ exitCode: 0, lines: 24 });
  expect(await backfill(...oneDay, "--yes")).toMatchObject({ exitCode: 0, stdout: "" });
  // Several slices of the daemon: 1000 ticks a call.
  const many = await backfill("--to", "2026-02-15T00:00:00Z", "--yes", "-q");
  expect(many.stdout.trimEnd().split("\n")).toHaveLength(43 * 24);
  expect(await backfill("--to", "2099-01-01T00:00:00Z", "--yes")).toMatchObject({ exitCode: 2 });
  const sinceThen = Math.floor((Date.now() - Date.parse("2026-01-02T00:00:00Z")) / 3_600_000);
  const { stdout: missing } = await backfill("--dry-run");
  expect(Math.abs(Number(missing) - (sinceThen - 44 * 24))).toBeLessThanOrEqual(1);
  const jobs = await ok(world, ["jobs", "list", "--schedule", "hourly", "-q", "--all"]);
  expect(jobs.trimEnd().split("\n")).toHaveLength(44 * 24);
});

testOnEachStore("preview shows local time, UTC and changes of the clocks", async (store) => {
  await using world = await store.createWorld();
  const rule = ["--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--after", "2027-03-27T00:00:00Z", "-n", "3"];
  const lines = (await ok(world, ["schedules", "preview", ...rule])).split("\n");
  expect(lines.slice(0, 3).map((line) => line.split("\t").slice(0, 2))).toEqual([
    ["2027-03-27T02:30:00+01:00", "2027-03-27T01:30:00.000Z"],
    ["2027-03-28T03:00:00+02:00", "2027-03-28T01:00:00.000Z"],
    ["2027-03-29T02:30:00+02:00", "2027-03-29T00:30:00.000Z"],
  ]);
  expect(lines[1]).toContain("skipped by a clock change: first valid instant");
  expect(lines[1]).toContain("clocks changed from +01:00");
  expect(JSON.parse(await ok(world, ["schedules", "preview", ...rule, "--json"]))).toMatchObject({
    timezone: "Europe/Berlin",
    ticks: [{ inGap: false }, { inGap: true, offsetChanged: true }, { inGap: false, offsetChanged: false }],
  });
  await ok(world, ["schedules", "create", "s", "-f", "t:run", ...rule.slice(0, 4), "-q"]);
  expect(await ok(world, ["schedules", "preview", "s", ...rule.slice(4)])).toBe(lines.join("\n"));
});

testOnEachStore("misuse exits 2 with the fault, its value and what is right", async (store) => {
  await using world = await store.createWorld();
  const create = ["schedules", "create", "s", "-f", "t:run"];
  const wrong: readonly (readonly [readonly string[], string, string])[] = [
    [[...create, "--cron", "99 * * * *"], '--cron: "99 * * * *": the minute field "99"', "0 8 * * 1-5"],
    [[...create, "--cron", "* * *"], "3 fields", "0 8 * * 1-5"],
    [[...create, "--cron", "0 0 31 2 *"], "0 0 31 2 *", "0 8 * * 1-5"],
    [[...create, "--cron", "@fortnightly"], "@fortnightly", "@weekly"],
    [[...create, "--cron", "0 8 * * *", "--tz", "Mars/Olympus"], '--tz: "Mars/Olympus"', "Europe/Berlin"],
    [[...create, "--cron", "0 8 * * *", "--catch-up", "al"], "--catch-up", "did you mean all"],
    [[...create, "--cron", "0 8 * * *", "--jitter", "5"], "unit is missing", "5s"],
    [[...create, "--cron", "0 8 * * *", "--args", "{}"], "not a JSON array", "JSON array such as"],
    [[...create, "--cron", "0 8 * * *", "--timezone", "UTC"], "unknown flag --timezone", "did you mean --tz"],
    [create, "missing flag --cron", "0 8 * * 1-5"],
    [["schedules", "create", "s", "--cron", "@daily"], "missing flag --function", "function"],
    [["schedules", "create", " ", "-f", "t:run", "--cron", "@daily"], "name is empty", "daily-report"],
    [["schedules", "update", "s"], "nothing to update", "--cron"],
    [["schedules", "preview"], "missing NAME", "--cron"],
    [["schedules", "list", "-s", "activ"], '"activ"', "did you mean ACTIVE"],
  ];
  for (const [args, fault, right] of wrong) {
    const { exitCode, stderr, stdout } = await cli(world, args);
    expect({ args, exitCode, stdout }).toEqual({ args, exitCode: 2, stdout: "" });
    expect(stderr).toContain(fault);
    expect(stderr).toContain(right);
  }
  expect(await ok(world, ["schedules", "list", "-q"])).toBe("");
});
