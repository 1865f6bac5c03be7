/** The whole SDK against the real daemon. */
import { describe, expect, test } from "bun:test";
import { JobFailedError, RetryAfterError, TerminalError } from "../../../src/sdk/errors.ts";
import type { DeduplicatedCall, JobEventInfo } from "../../../src/sdk/events.ts";
import type { Logger } from "../../../src/sdk/logger.ts";
import type { ReseolioOptions } from "../../../src/sdk/reseolio-options.ts";
import { Reseolio } from "../../../src/sdk/reseolio.ts";
import { spawnDaemon, type SpawnedDaemon } from "../../support/spawn-daemon.ts";
import { faultOf, until } from "./waiting.ts";

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

function clientOf(daemon: SpawnedDaemon, options: ReseolioOptions = {}): Reseolio {
  return new Reseolio({ address: daemon.address, autoStart: false, logger: quiet, ...options });
}

describe("a durable call", () => {
  test("runs, gives its result to every handle, and tells its story", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    const send = client.durable("mail:send", async (to: string, at: Date) => ({ to, at: typeof at }), {
      headers: { source: "test" },
    });
    await client.start();
    const handle = await send("alice", new Date(), { headers: { traceparent: "00-ab-cd-01" }, maxAttempts: 7 });
    expect(await handle.result(10_000)).toEqual({ to: "alice", at: "string" });
    expect(await client.handle(handle.jobId).result(10_000)).toEqual({ to: "alice", at: "string" });
    const details = await handle.details();
    expect(details).toMatchObject({ name: "mail:send", status: "success", attempt: 1, maxAttempts: 7, failures: 0 });
    expect(details.options.headers).toEqual({ source: "test", traceparent: "00-ab-cd-01" });
    expect(details.args[0]).toBe("alice");
    expect(details.finishedAt).toBeInstanceOf(Date);
    expect(await handle.cancel()).toBe(false);
    expect(await faultOf(client.getJob("01890000-0000-7000-8000-000000000000"))).toMatchObject({ code: "not_found" });
  });

  test("is not looked for by a misspelt query, which would list everything", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    await client.start();
    const wrong = [
      [{ state: "dead" }, "option state does not exist; the options are status, name, ids"],
      [{ status: "DEAD" }, 'option status is "DEAD"; use one of pending, running'],
      [{ createdAfter: "yesterday" }, 'option createdAfter is "yesterday"; use a Date'],
      [{ limit: 0 }, "limit is 0"],
    ] as const;
    for (const [query, fault] of wrong) {
      const error = await faultOf(client.listJobs(query as never));
      expect(error).toMatchObject({ code: "invalid_argument", message: expect.stringContaining(fault) });
    }
  });

  test("is retried after an error, at the handler's wish, and not after a terminal one", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    const times: number[] = [];
    const flaky = client.durable(
      "t:flaky",
      () => {
        times.push(performance.now());
        if (client.context().attempt === 1) throw new RetryAfterError(300);
        if (client.context().attempt === 2) throw new Error("again");
        return client.context().attempt;
      },
      { initialDelayMs: 10, jitter: 0 },
    );
    const fatal = client.durable("t:fatal", () => {
      throw new TerminalError("never", { cause: new RangeError("why") });
    });
    await client.start();
    expect(await (await flaky()).result(10_000)).toBe(3);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(299);
    const dead = await fatal();
    const error = await dead.result(10_000).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(JobFailedError);
    expect(error).toMatchObject({ reason: "terminal" });
    const cause = (error as JobFailedError).cause as Error;
    expect([cause.name, cause.message]).toEqual(["TerminalError", "never"]);
    expect(cause.stack).toContain("caused by: RangeError: why");
    expect((await dead.details()).attempts).toHaveLength(1);
  });

  test("P3: with an idempotency key is one job; the second caller is told, and warned when its arguments differ", async () => {
    await using daemon = await spawnDaemon();
    const warnings: string[] = [];
    await using client = clientOf(daemon, {
      workerConcurrency: 0,
      logger: { ...quiet, warn: (message) => warnings.push(message) },
    });
    const calls: DeduplicatedCall[] = [];
    client.on("deduplicated", (call) => calls.push(call));
    await client.start();
    const handles = await Promise.all(
      Array.from({ length: 100 }, () => client.enqueue("t:once", [1], { idempotencyKey: "k" })),
    );
    expect(new Set(handles.map((handle) => handle.jobId)).size).toBe(1);
    expect(handles.filter((handle) => !handle.deduplicated)).toHaveLength(1);
    expect(calls).toHaveLength(99);
    expect(warnings).toEqual([]);
    await client.enqueue("t:once", [2], { idempotencyKey: "k" });
    expect(calls.at(-1)).toMatchObject({ functionName: "t:once", idempotencyKey: "k", argsDiffer: true });
    expect(warnings).toHaveLength(1);
    const rejected = client.enqueue("t:once", [1], { idempotencyKey: "k", onDuplicate: "reject" });
    expect(await faultOf(rejected)).toMatchObject({ code: "already_exists" });
  });

  test("emits the start, the error and the success of each attempt, the job first", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    const story: unknown[] = [];
    const note =
      (name: string) =>
      (job: JobEventInfo, value?: unknown): void =>
        void story.push([name, job.functionName, job.attempt, value instanceof Error ? value.message : value]);
    client.on("job:start", note("start")).on("job:error", note("error")).on("job:success", note("success"));
    const run = client.durable(
      "t:twice",
      () => {
        if (client.context().attempt === 1) throw new Error("first");
        return "second";
      },
      { initialDelayMs: 1 },
    );
    await client.start();
    await (await run()).result(10_000);
    expect(story).toEqual([
      ["start", "t:twice", 1, undefined],
      ["error", "t:twice", 1, "first"],
      ["start", "t:twice", 2, undefined],
      ["success", "t:twice", 2, "second"],
    ]);
  });

  test("a result that cannot be stored is a failure that says why", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    const run = client.durable("t:bad", () => ({ total: 10n }), { maxAttempts: 1 });
    await client.start();
    expect(String(await faultOf((await run()).result(10_000)))).toContain("t:bad: result.total is the BigInt 10n");
  });
});

describe("cancelling and retrying", () => {
  test("P10: cancelling a parent fires its signal and its child's, and ends both", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    const reasons: string[] = [];
    const hang = async (): Promise<void> => {
      const { signal, functionName } = client.context();
      await new Promise<void>((_, reject) =>
        signal.addEventListener("abort", () => {
          reasons.push(functionName);
          reject(signal.reason as Error);
        }),
      );
    };
    const child = client.durable("t:child", hang);
    const started = Promise.withResolvers<string>();
    client.on("job:start", (job) => {
      if (job.functionName === "t:child") started.resolve(job.jobId);
    });
    const parent = client.durable("t:parent", async () => {
      await child();
      await hang();
    });
    await client.start();
    const handle = await parent();
    const childId = await started.promise;
    expect(await handle.cancel()).toBe(true);
    expect(await faultOf(handle.result(10_000))).toMatchObject({ code: "job_cancelled" });
    expect(await faultOf(client.handle(childId).result(10_000))).toMatchObject({ code: "job_cancelled" });
    await until(() => reasons.length === 2);
    expect(reasons.toSorted()).toEqual(["t:child", "t:parent"]);
    expect((await client.getJob(childId)).parentId).toBe(handle.jobId);
    expect(await client.cancelJob(handle.jobId)).toBe(false);
  });

  test("logs what a listener throws or rejects with; the job, the client and the process go on", async () => {
    await using daemon = await spawnDaemon();
    const errors: string[] = [];
    await using client = clientOf(daemon, { logger: { ...quiet, error: (message) => errors.push(message) } });
    const told: string[] = [];
    client.on("job:start", (job) => {
      told.push(job.id, job.name);
      throw new Error("from a listener");
    });
    // oxlint-disable-next-line typescript/no-misused-promises -- programs do, and what they reject with is tested
    client.on("job:success", async () => {
      throw new TypeError("from an asynchronous one");
    });
    const run = client.durable("t:heard", () => 7);
    await client.start();
    const handle = await run();
    expect(await handle.result(10_000)).toBe(7);
    await until(() => errors.length === 2);
    expect(told).toEqual([handle.jobId, "t:heard"]);
    expect(errors[0]).toMatch(/^a listener of the event "job:start" threw: Error: from a listener/);
    expect(errors[1]).toMatch(/^a listener of the event "job:success" threw: TypeError: from an asynchronous one/);
    expect(await (await run()).result(10_000)).toBe(7);
  });

  test("a dead job runs again when a person retries it", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    let broken = true;
    const run = client.durable(
      "t:fixable",
      () => {
        if (broken) throw new Error("broken");
        return "fixed";
      },
      { maxAttempts: 1 },
    );
    await client.start();
    const handle = await run();
    expect(await faultOf(handle.result(10_000))).toBeInstanceOf(JobFailedError);
    broken = false;
    const again = await client.retryJob<string>(handle.jobId);
    expect(await again.result(10_000)).toBe("fixed");
    expect(await handle.result(10_000)).toBe("fixed");
    expect(await faultOf(client.retryJob(handle.jobId))).toMatchObject({ code: "failed_precondition" });
  });

  test("P9: an attempt past its time fires the signal and fails as a timeout", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon);
    let reason: unknown;
    const run = client.durable(
      "t:slow",
      async () => {
        const { signal } = client.context();
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        reason = signal.reason;
      },
      { timeoutMs: 100, maxAttempts: 1 },
    );
    await client.start();
    const error = await (await run()).result(10_000).catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: "job_failed", reason: "timeout" });
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ name: "TimeoutError" });
  });
});

describe("restarts", () => {
  test("P7, P16: a daemon killed under running jobs runs none again, and every result arrives", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 20 });
    let runs = 0;
    const gate = Promise.withResolvers<undefined>();
    const run = client.durable("t:long", async (index: number) => {
      runs++;
      await gate.promise;
      return index;
    });
    await client.start();
    const handles = await Promise.all(Array.from({ length: 20 }, (_, index) => run(index)));
    const results = Promise.all(handles.map((handle) => handle.result(60_000)));
    await until(() => runs === 20);
    const reconnected = new Promise<void>((resolve) => client.once("reconnected", () => resolve()));
    await daemon.restart();
    await reconnected;
    gate.resolve(undefined);
    expect(await results).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(runs).toBe(20);
    const details = await Promise.all(handles.map((handle) => handle.details()));
    expect(details.every((job) => job.attempt === 1 && job.losses === 0)).toBe(true);
  });

  test("P2: calls made while the daemon is killed and started again are each stored once", async () => {
    await using daemon = await spawnDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 0 });
    await client.start();
    const ids = new Set<string>();
    const stopping = new AbortController();
    let refused = 0;
    const callers = Array.from({ length: 16 }, async (_, caller) => {
      for (let index = 0; !stopping.signal.aborted; index++) {
        try {
          ids.add((await client.enqueue("t:kept", [caller, index])).jobId);
        } catch {
          refused++;
        }
      }
    });
    for (let round = 0; round < 3; round++) {
      const before = ids.size;
      await until(() => ids.size > before + 200, 20_000);
      await daemon.restart();
    }
    stopping.abort();
    await Promise.all(callers);
    expect(refused).toBe(0);
    const stored = new Set<string>();
    let token: string | undefined;
    do {
      const page = await client.listJobs({
        name: "t:kept",
        limit: 1000,
        ...(token === undefined ? {} : { pageToken: token }),
      });
      for (const job of page.jobs) stored.add(job.id);
      token = page.nextPageToken;
    } while (token !== undefined);
    expect(stored.size).toBe(ids.size);
    expect([...ids].every((id) => stored.has(id))).toBe(true);
  }, 60_000);

  test("P17: a client that stops hands its jobs to another one, and no attempt is counted", async () => {
    await using daemon = await spawnDaemon();
    const first = clientOf(daemon, { drainTimeoutMs: 50, workerConcurrency: 2 });
    const started: string[] = [];
    first.durable("t:move", () => {
      started.push("first");
      const { signal } = first.context();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    });
    await first.start();
    const handles = await Promise.all(Array.from({ length: 6 }, () => first.enqueue("t:move")));
    await until(() => started.length === 2);
    await first.stop();
    await using second = clientOf(daemon);
    second.durable("t:move", () => "moved");
    await second.start();
    const results = await Promise.all(handles.map((handle) => second.handle(handle.jobId).result(10_000)));
    expect(results).toEqual(Array.from({ length: 6 }, () => "moved"));
    const details = await Promise.all(handles.map((handle) => second.getJob(handle.jobId)));
    expect(details.every((job) => job.failures === 0 && job.losses === 0)).toBe(true);
    expect(details.map((job) => job.attempt).toSorted((one, other) => one - other)).toEqual([1, 1, 1, 1, 2, 2]);
  });
});
