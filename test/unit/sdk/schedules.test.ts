import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { CatchUp, Overlap } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { AssignmentSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import {
  checkScheduleName,
  CLEARABLE_FIELDS,
  encodeRule,
  encodeSchedule,
  encodeScheduleUpdate,
} from "../../../src/sdk/calls/encode-schedule.ts";
import { createDurableFunction, type FunctionAccess } from "../../../src/sdk/durable-function.ts";
import { JobHandle } from "../../../src/sdk/job-handle.ts";
import { stderrLogger } from "../../../src/sdk/logger.ts";
import type { ScheduleOptions, ScheduleUpdate } from "../../../src/sdk/options/schedule-options.ts";
import { Reseolio } from "../../../src/sdk/reseolio.ts";
import { ScheduleHandle } from "../../../src/sdk/schedule-handle.ts";
import { Registry } from "../../../src/sdk/worker/registry.ts";
import type { HandlerPort } from "../../../src/sdk/workflow/execution-host.ts";
import { HandlerContext } from "../../../src/sdk/workflow/handler-context.ts";
import { NO_TEST_HOOKS, REAL_CLOCK } from "../../../src/sdk/workflow/test-hooks.ts";
import { faultOf } from "./waiting.ts";

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe("a schedule on the wire", () => {
  test("has only what was set, and 0 is 0", () => {
    expect(encodeSchedule("t:run", { cron: "@daily" }, [], {})).toEqual({
      cron: "@daily",
      functionName: "t:run",
      args: new TextEncoder().encode("[]"),
    });
    const full = encodeSchedule(
      "t:run",
      {
        cron: "0 8 * * *",
        timezone: "America/New_York",
        catchUp: "all",
        maxCatchUp: 7,
        overlap: "skip",
        jitterMs: 0,
        startAt: new Date(1_000),
        endAt: new Date(2_000),
      },
      ["a", 1],
      {},
    );
    expect(full).toMatchObject({
      timeZone: "America/New_York",
      catchUp: CatchUp.ALL,
      maxCatchUp: 7,
      overlap: Overlap.SKIP,
      jitterMs: 0,
      startAt: { seconds: 1n },
      endAt: { seconds: 2n },
    });
    expect(text(full.args)).toBe('["a",1]');
  });

  test("takes the function's options as defaults of its jobs, but not those of single calls", () => {
    const base = { maxAttempts: 5, priority: 1, delayMs: 9, idempotencyKey: "k", headers: { a: "1", b: "1" } };
    const own = { priority: 2, headers: { b: "2" } };
    const { options } = encodeSchedule("t:run", { cron: "@daily", jobOptions: own }, [], base);
    expect(options).toMatchObject({ maxAttempts: 5, priority: 2, idempotencyKey: "", headers: { a: "1", b: "2" } });
    expect(options?.delayMs).toBeUndefined();
  });

  test.each([
    [{}, 'option cron is undefined; use five fields (minute, hour, day of month, month, day of week) such as "0 8'],
    [{ cron: "" }, 'option cron is ""; use five fields'],
    [{ cron: "* * * *" }, 'option cron is "* * * *", 4 fields; use five fields'],
    [{ cron: "1 2 3 4 5 6 7" }, "7 fields; use five fields"],
    [{ cron: "* * * * *", timezone: " " }, 'option timezone is " "; use an IANA name such as "America/New_York"'],
    [{ cron: "* * * * *", catchUp: "some" }, 'option catchUp is "some"; use one of none, latest, all'],
    [{ cron: "* * * * *", maxCatchUp: 0 }, "option maxCatchUp is 0; use a whole number from 1 to 10000"],
    [{ cron: "* * * * *", overlap: true }, "option overlap is true; use one of allow, skip"],
    [{ cron: "* * * * *", jitterMs: 0.5 }, "option jitterMs is 0.5"],
    [{ cron: "* * * * *", endAt: "tomorrow" }, 'option endAt is "tomorrow"; use a Date'],
    [{ cron: "* * * * *", startAt: new Date(5), endAt: new Date(4) }, "which is before startAt"],
    [{ cron: "* * * * *", name: "" }, 'option name is ""; use a string of 1 to 256 bytes'],
    [{ cron: "* * * * *", name: "é".repeat(129) }, "option name is 258 bytes long"],
    [{ cron: "* * * * *", onDuplicate: "replace" }, "use one of reject, update"],
    [{ cron: "* * * * *", timeZone: "UTC" }, "option timeZone does not exist; the options are cron, name, timezone"],
    [{ cron: "* * * * *", jobOptions: { delayMs: 1 } }, "option jobOptions.delayMs cannot be set for a schedule"],
    [{ cron: "* * * * *", jobOptions: { maxAttempts: 0 } }, "option maxAttempts is 0"],
    [null, "the options are null"],
    ["* * * * *", 'the options are "* * * * *"; pass an object such as { cron:'],
  ])("%p is refused with its name and what is right", (options, message) => {
    expect(() => encodeSchedule("t:run", options as ScheduleOptions, [], {})).toThrow(message);
  });

  test("tells all faults at once", () => {
    const faulty = { cron: "x", overlap: "no", jitterMs: -1 } as unknown as ScheduleOptions;
    expect(() => encodeSchedule("t:run", faulty, [], {})).toThrow(/cron .*overlap .*jitterMs /);
  });
});

describe("an update on the wire", () => {
  test("has what is given; null clears", () => {
    const update = { cron: "@hourly", args: ["x"], endAt: null, jobOptions: null, overlap: undefined };
    const { spec, clearFields } = encodeScheduleUpdate("nightly", update as unknown as ScheduleUpdate);
    expect(Object.keys(spec)).toEqual(["cron", "args"]);
    expect(clearFields).toEqual(["end_at", "options"]);
  });

  test.each([
    [{}, 'schedule "nightly": nothing to update'],
    [undefined, "the changes are undefined; pass an object such as"],
    [{ cron: null }, "option cron is null; it has no default"],
    [{ name: "x" }, "option name does not exist"],
    [{ args: "x" }, 'option args is "x"; pass an array'],
  ])("%p is refused", (update, message) => {
    expect(() => encodeScheduleUpdate("nightly", update as ScheduleUpdate)).toThrow(message);
  });

  test("clears fields that the protocol has", () => {
    const { spec } = encodeScheduleUpdate("n", Object.fromEntries([["cron", "@daily"]]));
    expect(Object.keys(spec)).toEqual(["cron"]);
    const all = encodeSchedule(
      "t:run",
      {
        ...{ cron: "@daily", timezone: "UTC", catchUp: "all", maxCatchUp: 1, overlap: "skip", jitterMs: 1 },
        ...{ startAt: new Date(1), endAt: new Date(2), jobOptions: { priority: 1 } },
      },
      [],
      {},
    );
    const snake = Object.keys(all).map((key) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    expect([...CLEARABLE_FIELDS].sort()).toEqual(
      snake.filter((key) => key !== "cron" && key !== "function_name").sort(),
    );
  });
});

test("a rule for a preview has no other options, and names are checked", () => {
  expect(encodeRule({ cron: "@daily", timezone: "Asia/Tokyo" })).toEqual({ cron: "@daily", timeZone: "Asia/Tokyo" });
  expect(() => encodeRule({ cron: "@daily", overlap: "skip" } as ScheduleOptions)).toThrow("option overlap does not");
  expect(() => checkScheduleName("")).toThrow('name is ""; use a string of 1 to 256 bytes');
  expect(() => checkScheduleName(undefined)).toThrow("name is null");
});

describe("the presets of a durable function", () => {
  const asked: { options: ScheduleOptions; args: readonly unknown[] }[] = [];
  const access: FunctionAccess = {
    calls: { enqueue: () => Promise.resolve(new JobHandle("id", undefined as never)) },
    createSchedule: (options, args) => {
      asked.push({ options, args });
      return Promise.resolve(new ScheduleHandle("id", "name", undefined as never));
    },
  };
  const definition = new Registry().add("t:report", () => 1, {}, "here");
  const report = createDurableFunction<[region: string], number>(definition, access);

  test("are the rules that they say, with settings before the function's arguments", async () => {
    await report.everyMinute({}, "eu");
    await report.hourly({ overlap: "skip" }, "eu");
    await report.daily(8, undefined, "eu");
    await report.weekly(1, 0, { timezone: "Europe/Berlin" }, "us");
    expect(asked).toEqual([
      { options: { cron: "* * * * *" }, args: ["eu"] },
      { options: { cron: "0 * * * *", overlap: "skip" }, args: ["eu"] },
      { options: { cron: "0 8 * * *" }, args: ["eu"] },
      { options: { cron: "0 0 * * 1", timezone: "Europe/Berlin" }, args: ["us"] },
    ]);
  });

  test("have the function's arguments in their types", () => {
    const typed = [
      () => report.daily(8, {}, "eu"),
      () => report.schedule({ cron: "@daily" }, "eu"),
      // @ts-expect-error an argument is missing
      () => report.daily(8),
      // @ts-expect-error so is this one
      () => report.schedule({ cron: "@daily" }),
      // @ts-expect-error and this one is no text
      () => report.hourly({}, 7),
      // @ts-expect-error when jobs run is the schedule's to say
      () => report.everyMinute({ jobOptions: { delayMs: 1 } }, "eu"),
      () => report.schedule({ cron: "@daily" }, "eu").then((handle) => handle.update({ args: ["us"] })),
      // @ts-expect-error also in an update
      () => report.schedule({ cron: "@daily" }, "eu").then((handle) => handle.update({ args: [7] })),
      () =>
        report
          .schedule({ cron: "@daily" }, "eu")
          .then((handle) => handle.trigger())
          .then((job) => job.result()),
    ];
    // The compiler is what is tested; without arguments the settings may be left out.
    const plain: () => Promise<unknown> = () => createDurableFunction<[], number>(definition, access).daily(8);
    expect([...typed, plain].every((call) => typeof call === "function")).toBe(true);
  });

  test("refuse what is no hour or day, and arguments in the place of settings, by a rejection", async () => {
    const misused = report as unknown as Record<"daily" | "weekly" | "hourly", (...given: unknown[]) => Promise<void>>;
    expect(await faultOf(misused.daily(24))).toMatchObject({ message: "hour is 24; use a whole number from 0 to 23" });
    expect(await faultOf(misused.weekly(8, 1))).toMatchObject({ code: "invalid_argument" });
    expect(await faultOf(misused.daily("8"))).toMatchObject({ message: expect.stringContaining('hour is "8"') });
    expect(await faultOf(misused.weekly(1))).toMatchObject({ message: expect.stringContaining("hour is undefined") });
    expect(await faultOf(misused.hourly("eu"))).toMatchObject({ message: expect.stringContaining('are "eu"') });
  });
});

test("calls about schedules before start() fail like any other", async () => {
  const client = new Reseolio({ autoStart: false });
  for (const call of [
    client.listSchedules(),
    client.createSchedule("t:run", { cron: "@daily" }),
    client.durable("t:mine", () => 1).hourly(),
  ]) {
    expect(await faultOf(call)).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("start"),
    });
  }
});

const idlePort: HandlerPort = {
  logger: stderrLogger,
  owner: {},
  clock: REAL_CLOCK,
  crashes: () => false,
  record() {},
  park() {},
  needSlot() {},
  watchEnd: () => () => {},
  heartbeat() {},
  emitEvent: async () => ({ created: true, woken: 0 }),
  retryJob: async () => {},
  mismatch() {},
  testHooks: NO_TEST_HOOKS,
};

test("the context of a tick's job knows the tick", () => {
  const contextOf = (headers: Record<string, string>) =>
    new HandlerContext(create(AssignmentSchema, { jobId: "id", headers }), [], idlePort, 0);
  expect(contextOf({ "reseolio-scheduled-at": "2026-11-21T08:00:00.000Z" }).scheduledAt).toEqual(
    new Date("2026-11-21T08:00:00Z"),
  );
  expect(contextOf({}).scheduledAt).toBeUndefined();
  expect(contextOf({ "reseolio-scheduled-at": "soon" }).scheduledAt).toBeUndefined();
});
