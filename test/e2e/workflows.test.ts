/** Workflows on a real daemon: parents without slots, handlers that go on in place or from their checkpoints. */
import { expect } from "bun:test";
import { context, EventTimeoutError, type Reseolio, TerminalError } from "../../src/sdk/index.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { rejection } from "../support/rejection.ts";

async function worker(world: E2eWorld, workerConcurrency: number, maxParkedHandlers = 1_000): Promise<Reseolio> {
  return world.startClient({ workerConcurrency, maxParkedHandlers });
}

async function until(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const endAt = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > endAt) throw new Error(`did not come true within ${withinMs} ms: ${String(condition)}`);
    await Bun.sleep(10);
  }
}

testOnEachStore("P14: 100 parents of three children each get through one worker of concurrency 1", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 1);
  const square = client.durable("e2e:child:square", async (n: number) => n * n);
  const parent = client.durable("e2e:parent:sum", async (n: number) => {
    const children = await Promise.all([n, n + 1, n + 2].map((one) => square(one)));
    const squares = await Promise.all(children.map((child) => child.result()));
    return squares.reduce((sum, one) => sum + one, 0);
  });
  const startedAt = performance.now();
  const jobs = await Promise.all(Array.from({ length: 100 }, (_, n) => parent(n)));
  const sums = await Promise.all(jobs.map((job) => job.result(50_000)));
  process.stderr.write(`P14: 100 parents took ${Math.round(performance.now() - startedAt)} ms\n`);
  expect(sums).toEqual(Array.from({ length: 100 }, (_, n) => 3 * n * n + 6 * n + 5));
  const { jobs: squares } = await client.listJobs({ name: "e2e:child:square", limit: 1000 });
  expect(squares).toHaveLength(300);
  const { attempt, status } = await jobs[0]!.details();
  expect({ attempt, status }).toEqual({ attempt: 1, status: "success" });
});

testOnEachStore(
  "P11: a handler of more calls than a record can count is replayed without standing still",
  async (store) => {
    await using world = await store.createWorld();
    const client = await worker(world, 50);
    const same = client.durable("e2e:call:same", async (n: number) => n);
    const tookMs: number[] = [];
    const caller = client.durable(
      "e2e:call:many",
      async () => {
        const { step, attempt } = context();
        const startedAt = performance.now();
        await Promise.all(Array.from({ length: 1_040 }, (_, n) => same(n)));
        for (let n = 0; n < 20; n++) {
          await same(2_000 + n);
          await step(`step ${n}`, () => n);
        }
        tookMs.push(performance.now() - startedAt);
        if (attempt === 1) throw new Error("once more");
        return attempt;
      },
      { initialDelayMs: 1, timeoutMs: 0 },
    );
    expect(await (await caller()).result(60_000)).toBe(2);
    // Each of the twenty would stand still for at least 0.1 s.
    expect(tookMs[1]).toBeLessThan((tookMs[0] ?? 0) + 1_500);
  },
);

testOnEachStore(
  "a handler that is replayed while it waits for 6,000 events waits again for those that are left",
  async (store) => {
    await using world = await store.createWorld();
    const client = await worker(world, 1, 0);
    const seen: number[] = [];
    const many = client.durable(
      "e2e:waits:many",
      async () => {
        const { awaitEvent } = context();
        const all = Array.from({ length: 6_000 }, (_, n) => awaitEvent<string>(`many ${n}`));
        seen.push(all.length);
        return Promise.race([all[0], all[1]].map(async (one) => [await one, await all[5_999]]));
      },
      { timeoutMs: 0 },
    );
    const job = await many();
    await until(async () => (await job.status()) === "suspended", 40_000);
    await client.emitEvent("many 1", "first");
    await until(async () => seen.length === 2 && (await job.status()) === "suspended", 40_000);
    await client.emitEvent("many 5999", "last");
    expect(await job.result(20_000)).toEqual(["first", "last"]);
    expect(await job.details()).toMatchObject({ failures: 0, attempt: 1 });
  },
);

testOnEachStore("P14: a tree five deep with fan-out 3 gets through one worker of concurrency 1", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 1);
  const node = client.durable("e2e:tree:node", async (depth: number, path: string): Promise<number> => {
    if (depth === 0) return 1;
    const children = await Promise.all([0, 1, 2].map((n) => node(depth - 1, `${path}${n}`)));
    const counts = await Promise.all(children.map((child) => child.result()));
    return 1 + counts.reduce((sum, one) => sum + one, 0);
  });
  const startedAt = performance.now();
  expect(await (await node(5, "")).result(50_000)).toBe(364);
  process.stderr.write(`P14: a tree of 364 took ${Math.round(performance.now() - startedAt)} ms\n`);
});

testOnEachStore(
  "P14: beyond maxParkedHandlers parents are replayed from their checkpoints, with the same children",
  async (store) => {
    await using world = await store.createWorld();
    const client = await worker(world, 2, 3);
    let runs = 0;
    const leaf = client.durable("e2e:child:slow", async (n: number) => {
      await Bun.sleep(20);
      return n;
    });
    const parent = client.durable("e2e:parent:many", async (n: number) => {
      runs++;
      const seed = await context().step("seed", () => n * 10);
      return (await leaf(seed)).result();
    });
    const jobs = await Promise.all(Array.from({ length: 20 }, (_, n) => parent(n)));
    expect(await Promise.all(jobs.map((job) => job.result(50_000)))).toEqual(
      Array.from({ length: 20 }, (_, n) => n * 10),
    );
    expect(runs).toBeGreaterThan(20);
    expect((await client.listJobs({ name: "e2e:child:slow", limit: 1000 })).jobs).toHaveLength(20);
    for (const job of jobs) expect(await job.details()).toMatchObject({ failures: 0, losses: 0 });
  },
);

testOnEachStore("P7, P12, P13: parked handlers outlive a killed daemon and go on in place", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 1);
  let runs = 0;
  const flow = client.durable("e2e:flow:wait", async (name: string) => {
    runs++;
    const { step, sleepFor, awaitEvent } = context();
    const before = await step("before", () => Date.now());
    await sleepFor("nap", 700);
    const slept = Date.now() - before;
    const payload = await awaitEvent<{ n: number }>(name, { timeoutMs: 30_000 });
    return { slept, payload };
  });
  const jobs = await Promise.all(["a", "b", "c"].map((name) => flow(name)));
  await until(async () => (await client.listJobs({ status: "suspended" })).jobs.length === 3);
  await world.daemon.restart();
  for (const [n, name] of ["a", "b", "c"].entries()) await client.emitEvent(name, { n });
  const results = await Promise.all(jobs.map((job) => job.result(20_000)));
  expect(results.map(({ payload }) => payload)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  for (const { slept } of results) expect(slept).toBeGreaterThanOrEqual(700);
  expect(runs).toBe(3);
});

testOnEachStore(
  "P11, P17: a worker that stops leaves its parked jobs to another one, which reads what was recorded",
  async (store) => {
    await using world = await store.createWorld();
    const ran: string[] = [];
    const register = (client: Reseolio, name: string) =>
      client.durable("e2e:flow:move", async () => {
        const { step, awaitEvent, attempt } = context();
        const first = await step("first", () => {
          ran.push(name);
          return name;
        });
        const payload = await awaitEvent("go");
        const second = await step("second", () => name);
        return { first, second, payload, attempt };
      });
    const one = await worker(world, 1);
    const job = await register(one, "one")();
    await until(async () => (await job.status()) === "suspended");
    const before = performance.now();
    await one.stop();
    expect(performance.now() - before).toBeLessThan(1_500);
    register(await worker(world, 1), "two");
    await world.client.emitEvent("go", 7);
    expect(await world.client.handle(job.jobId).result(20_000)).toMatchObject({
      first: "one",
      second: "two",
      payload: 7,
    });
    expect(ran).toEqual(["one"]);
    expect(await world.client.getJob(job.jobId)).toMatchObject({ failures: 0, losses: 0 });
  },
);

testOnEachStore("P10: cancelling a parked job is final at once, and its handler unwinds", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 1);
  const unwound = Promise.withResolvers<unknown>();
  const flow = client.durable("e2e:flow:cancelled", async () => {
    await context()
      .sleepFor("long", 600_000)
      .catch((error: unknown) => {
        unwound.resolve(error);
        throw error;
      });
  });
  const job = await flow();
  await until(async () => (await job.status()) === "suspended");
  expect(await job.cancel()).toBe(true);
  expect(await job.status()).toBe("cancelled");
  expect(await unwound.promise).toMatchObject({ code: "job_cancelled" });
  expect(await rejection(job.result(1_000))).toMatchObject({ code: "job_cancelled" });
});

testOnEachStore(
  "P13: the first of several, a timeout of an event and one of result() are decided once",
  async (store) => {
    await using world = await store.createWorld();
    const client = await worker(world, 2);
    const slow = client.durable("e2e:child:forever", async () => {
      await context().awaitEvent("never");
    });
    const flow = client.durable("e2e:flow:first", async () => {
      const { awaitAny, awaitEvent } = context();
      const child = await slow();
      const first = await awaitAny("race", [{ event: "x" }, { job: child }, { sleepFor: 100 }]);
      const late = await awaitEvent("y", { timeoutMs: 100 }).catch(
        (error: unknown) => error instanceof EventTimeoutError,
      );
      const result = await child.result(100).catch((error: unknown) => (error as { code: string }).code);
      return { index: first.index, late, result };
    });
    expect(await (await flow()).result(20_000)).toEqual({ index: 2, late: true, result: "result_timeout" });
  },
);

testOnEachStore("P8: a step with attempts of its own sleeps between them without a slot", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 1);
  let tries = 0;
  const flow = client.durable("e2e:flow:retry", async () => {
    const options = { maxAttempts: 2, initialDelayMs: 1_200, jitter: 0 };
    return context().step(
      "flaky",
      () => {
        if (++tries === 1) throw new Error("not yet");
        return tries;
      },
      options,
    );
  });
  const job = await flow();
  await until(async () => (await job.status()) === "suspended");
  expect(await job.result(20_000)).toBe(2);
  expect(await job.details()).toMatchObject({ attempt: 1, failures: 0 });
});

testOnEachStore("a handler that goes on while it is parked gets its slot again", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 1);
  const flow = client.durable("e2e:flow:early", async () => {
    const { awaitEvent, step } = context();
    await Promise.race([awaitEvent("never"), Bun.sleep(100)]);
    return step("after", () => "went on");
  });
  expect(await (await flow()).result(20_000)).toBe("went on");
});

testOnEachStore("a retry by a person tries again what ended the attempt, and nothing else", async (store) => {
  await using world = await store.createWorld();
  const client = await worker(world, 2);
  const runs = { good: 0, bad: 0, goodChild: 0, caughtChild: 0, badChild: 0 };
  let isFixed = false;
  const countRun = (name: keyof typeof runs): string => {
    runs[name]++;
    if (!isFixed) throw new TerminalError("broken");
    return "fixed";
  };
  const once = { maxAttempts: 1 };
  const goodChild = client.durable("e2e:child:good", () => ++runs.goodChild);
  const caughtChild = client.durable("e2e:child:caught", () => countRun("caughtChild"), once);
  const badChild = client.durable("e2e:child:bad", () => countRun("badChild"), once);
  const endedByStep = client.durable(
    "e2e:flow:step",
    async () => {
      const { step } = context();
      await step("good", () => ++runs.good);
      await (await goodChild()).result();
      const child = await (await caughtChild()).result().catch(() => "caught");
      return [child, await step("bad", () => countRun("bad"), { maxAttempts: 3 })];
    },
    once,
  );
  const endedByChild = client.durable("e2e:flow:child", async () => (await badChild()).result(), once);
  const jobs = await Promise.all([endedByStep(), endedByChild()]);
  for (const job of jobs) expect(await rejection(job.result(20_000))).toMatchObject({ code: "job_failed" });
  expect(runs).toEqual({ good: 1, bad: 1, goodChild: 1, caughtChild: 1, badChild: 1 });
  isFixed = true;
  const again = await Promise.all(jobs.map((job) => client.retryJob(job.jobId)));
  expect(await Promise.all(again.map((job) => job.result(20_000)))).toEqual([["caught", "fixed"], "fixed"]);
  expect(runs).toEqual({ good: 1, bad: 2, goodChild: 1, caughtChild: 1, badChild: 2 });
});

testOnEachStore(
  "P9: parked time does not count, a heartbeat gives more, and what is left is enforced",
  async (store) => {
    await using world = await store.createWorld();
    const client = await worker(world, 4);
    const options = { timeoutMs: 600, maxAttempts: 1 };
    const sleeper = client.durable("e2e:flow:sleeper", () => context().sleepFor("nap", 1_200), options);
    const patient = client.durable(
      "e2e:flow:patient",
      async () => {
        context().heartbeat(10_000);
        await Bun.sleep(1_200);
      },
      options,
    );
    const tired = client.durable(
      "e2e:flow:tired",
      async () => {
        await Bun.sleep(400);
        await context().sleepFor("nap", 100);
        await Bun.sleep(2_000);
      },
      options,
    );
    const [slept, beaten, late] = await Promise.all([sleeper(), patient(), tired()]);
    await Promise.all([slept.result(20_000), beaten.result(20_000)]);
    expect(await rejection(late.result(20_000))).toMatchObject({ code: "job_failed", reason: "timeout" });
    const { startedAt, finishedAt } = await late.details();
    expect(Number(finishedAt) - Number(startedAt)).toBeLessThan(3_000);
  },
);
