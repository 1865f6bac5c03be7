/** The testing kit as its users have it: a real daemon, a clock that stands still until it is moved. */
import { describe, expect, test } from "bun:test";
import { RetryAfterError } from "../../src/sdk/index.ts";
import { durationMs } from "../../src/testing/duration.ts";
import { createTestWorld, type TestWorldOptions } from "../../src/testing/index.ts";
import { executableFile } from "../support/executable-file.ts";
import { rejection } from "../support/rejection.ts";

const NEW_YEAR = new Date("2026-01-01T00:00:00Z");
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function newWorld(options: TestWorldOptions = {}) {
  return createTestWorld({ coreBinaryPath: executableFile(), now: NEW_YEAR, ...options });
}

describe("a test world", () => {
  test("stands still until its clock is moved, and moves a month in no time", async () => {
    await using world = await newWorld();
    const hello = world.client.durable("demo:hello", async (name: string) => `hello ${name}`);
    const later = await hello.with({ delayMs: 30 * DAY })("Ada");
    await world.settled();
    expect(await later.status()).toBe("pending");
    await world.advance(30 * DAY - 1);
    expect(await later.status()).toBe("pending");
    const startedAt = performance.now();
    await world.advance(1);
    expect(await later.result(5_000)).toBe("hello Ada");
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(world.now()).toEqual(new Date("2026-01-31T00:00:00Z"));
  });

  test("retries each at its own time, however far the clock is moved at once", async () => {
    await using world = await newWorld();
    const tries: number[] = [];
    const flaky = world.client.durable(
      "demo:flaky",
      async () => {
        tries.push(world.now().getTime() - NEW_YEAR.getTime());
        if (tries.length < 4) throw new Error("not yet");
        return tries.length;
      },
      { maxAttempts: 4, initialDelayMs: HOUR, maxDelayMs: DAY, jitter: 0 },
    );
    const job = await flaky();
    await world.advance("30d");
    expect(await job.result(5_000)).toBe(4);
    expect(tries).toEqual([0, HOUR, 3 * HOUR, 7 * HOUR]);
  });

  test("ticks schedules each at its own time, however far the clock is moved at once", async () => {
    await using world = await newWorld();
    const ticks: string[] = [];
    const report = world.client.durable("demo:report", async () => void ticks.push(world.now().toISOString()));
    await report.schedule({ cron: "0 8 * * *", timezone: "Europe/Berlin" });
    await world.advance("4d");
    await world.settled();
    expect(ticks).toEqual([1, 2, 3, 4].map((day) => `2026-01-0${day}T07:00:00.000Z`));
  });

  test("keeps what is finished, though the clock passes every retention", async () => {
    await using world = await newWorld();
    const ask = world.client.durable("demo:ask", () => 42);
    const job = await ask();
    await world.advance("365d");
    expect(await job.result(5_000)).toBe(42);
  });

  test("has its deadlines at the world's time", async () => {
    await using world = await newWorld();
    const never = await world.client.enqueue("demo:nobody", [], { startWithinMs: HOUR });
    await world.advance("59m");
    expect(await never.status()).toBe("pending");
    await world.advance("1m");
    expect(await never.status()).toBe("cancelled");
  });

  test("fires each tick of a schedule at its own time, over a change to summer time", async () => {
    await using world = await newWorld({ now: new Date("2026-03-01T00:00:00Z") });
    const ticks: string[] = [];
    const report = world.client.durable("demo:report", () => void ticks.push(world.now().toISOString()));
    await report.schedule({ cron: "0 9 * * *", timezone: "Europe/Berlin" });
    await world.advance("31d");
    expect(ticks).toHaveLength(31);
    expect(ticks[0]).toBe("2026-03-01T08:00:00.000Z");
    expect(ticks.at(-1)).toBe("2026-03-31T07:00:00.000Z");
  });

  test("goes on with what a handler asked for on the way", async () => {
    await using world = await newWorld();
    const times: string[] = [];
    const poll = world.client.durable(
      "demo:poll",
      () => {
        times.push(world.now().toISOString().slice(0, 13));
        if (times.length < 3) throw new RetryAfterError(DAY);
      },
      { maxAttempts: 5 },
    );
    await poll();
    await world.advanceTo(new Date("2026-01-10T00:00:00Z"));
    expect(times).toEqual(["2026-01-01T00", "2026-01-02T00", "2026-01-03T00"]);
    expect(world.now()).toEqual(new Date("2026-01-10T00:00:00Z"));
  });

  test("waits for handlers at work, and names them when they do not end", async () => {
    await using world = await newWorld({ settleTimeoutMs: 300 });
    let release = (): void => {};
    const slow = world.client.durable(
      "demo:slow",
      () => new Promise<string>((resolve) => (release = () => resolve("x"))),
    );
    const job = await slow();
    const error = await rejection(world.advance("1d"));
    expect(error).toMatchObject({ code: "failed_precondition" });
    expect(String(error)).toContain(`demo:slow (job ${job.jobId})`);
    expect(world.now()).toEqual(NEW_YEAR);
    release();
    await world.advance("1d");
    expect(await job.result(5_000)).toBe("x");
  });

  test("serves further clients: those of the tested program, and callers without handlers", async () => {
    await using world = await newWorld();
    world.client.durable("demo:add", (one: number, other: number) => one + other);
    const caller = await world.startClient({ workerConcurrency: 0 });
    const job = await caller.enqueue<number>("demo:add", [1, 2]);
    expect(await job.result(5_000)).toBe(3);
  });

  test("is gone when stopped, twice is harmless, and a second world knows nothing of it", async () => {
    const first = await newWorld();
    const job = await first.client.enqueue("demo:nobody");
    await first.stop();
    await first.stop();
    await using second = await newWorld();
    expect(await rejection(second.client.getJob(job.jobId))).toMatchObject({ code: "not_found" });
  });

  test("that cannot start says what the executable said", async () => {
    const error = await rejection(createTestWorld({ coreBinaryPath: process.execPath }));
    expect(error).toMatchObject({ code: "daemon_start" });
    expect(String(error)).toContain("the test daemon did not start");
  });
});

test("lengths of time", () => {
  expect(["500ms", "1.5h", "1h30m", "30d", 7].map(durationMs)).toEqual([500, 1.5 * HOUR, 1.5 * HOUR, 30 * DAY, 7]);
  for (const wrong of ["", "1", "1w", "-1s", -1, Number.NaN, Infinity])
    expect(() => durationMs(wrong)).toThrow("not a duration");
});
