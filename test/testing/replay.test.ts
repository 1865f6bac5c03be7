/** Killed after every checkpoint: the kit finds what is not safe to replay, and passes what is. */
import { describe, expect, test } from "bun:test";
import { context, Reseolio } from "../../src/sdk/index.ts";
import { TEST_HOOKS, testHooksOf } from "../../src/sdk/workflow/test-hooks.ts";
import { createTestWorld, type TestWorldOptions, UnsafeReplayError } from "../../src/testing/index.ts";
import { executableFile } from "../support/executable-file.ts";
import { rejection } from "../support/rejection.ts";

function newWorld(options: TestWorldOptions = {}) {
  return createTestWorld({ coreBinaryPath: executableFile(), replayEveryCheckpoint: true, ...options });
}

describe("a handler that is safe to replay", () => {
  test("does each step once, with a replay after each", async () => {
    await using world = await newWorld();
    const effects: string[] = [];
    let executions = 0;
    const order = world.client.durable("demo:order", async (id: string) => {
      executions++;
      const { step, sleepFor, awaitEvent, now } = context();
      const paidAt = await now();
      const receipt = await step("charge", () => {
        effects.push("charge");
        return `receipt-${id}`;
      });
      await sleepFor("a week", 7 * 24 * 3_600_000);
      const { parcel } = await awaitEvent<{ parcel: number }>(`packed:${id}`);
      await step("ship", () => void effects.push(`ship ${parcel}`));
      return { receipt, paidAt };
    });
    const start = world.now();
    const job = await order("o1");
    await world.advance("7d");
    await world.client.emitEvent("packed:o1", { parcel: 3 });
    await world.settled();
    expect(await job.result(5_000)).toEqual({ receipt: "receipt-o1", paidAt: start.toISOString() });
    expect(effects).toEqual(["charge", "ship 3"]);
    // The first, one after each of now, charge, sleep, event and ship, and one after the end.
    expect(executions).toBe(7);
  });

  test("finds its children again, those that it calls at once too", async () => {
    await using world = await newWorld();
    let children = 0;
    const child = world.client.durable("demo:child", (n: number) => {
      children++;
      return n * 2;
    });
    const parent = world.client.durable("demo:parent", async () => {
      const first = await child(1);
      const others = await Promise.all([2, 3, 4].map((n) => child(n)));
      return Promise.all([first, ...others].map((job) => job.result()));
    });
    const job = await parent();
    await world.settled();
    expect(await job.result(5_000)).toEqual([2, 4, 6, 8]);
    // Each handler also runs once more after its end.
    expect(children).toBe(2 * 4);
    const { jobs } = await world.client.listJobs({ parentId: job.jobId });
    expect(jobs).toHaveLength(4);
  });

  test("may await several things at once, and whichever comes first", async () => {
    await using world = await newWorld();
    const race = world.client.durable("demo:race", async () => {
      const { step, awaitAny } = context();
      const [one, two] = await Promise.all([step("one", () => 1), step("two", () => 2)]);
      const first = await awaitAny("answer", [{ event: "never" }, { sleepFor: 60_000 }]);
      return [one, two, first.index];
    });
    const job = await race();
    await world.advance("1m");
    expect(await job.result(5_000)).toEqual([1, 2, 1]);
  });

  test("may try a step again after hours, and go on when it fails for good", async () => {
    await using world = await newWorld();
    const tries: Record<string, number> = { lucky: 0, hopeless: 0 };
    const attempt = (name: string, luckyAt: number) => {
      tries[name] = (tries[name] ?? 0) + 1;
      if (tries[name] < luckyAt) throw new Error("not yet");
      return tries[name];
    };
    const patient = world.client.durable("demo:patient", async () => {
      const { step } = context();
      const options = { maxAttempts: 3, initialDelayMs: 3_600_000, maxDelayMs: 86_400_000, jitter: 0 };
      const lucky = await step("lucky", () => attempt("lucky", 3), options);
      const hopeless = await step("hopeless", () => attempt("hopeless", 9), options).catch(() => "given up");
      return [lucky, hopeless];
    });
    const job = await patient();
    await world.advance("1d");
    expect(await job.result(5_000)).toEqual([3, "given up"]);
    expect(tries).toEqual({ lucky: 3, hopeless: 3 });
  });

  test("may be cancelled while it waits", async () => {
    await using world = await newWorld();
    const forever = world.client.durable("demo:forever", () => context().awaitEvent("never"));
    const job = await forever();
    await world.advance("1d");
    expect(await job.cancel()).toBe(true);
    await world.advance("1d");
    expect(await job.status()).toBe("cancelled");
  });

  test("may fail and be tried again", async () => {
    await using world = await newWorld();
    let tries = 0;
    const flaky = world.client.durable(
      "demo:flaky",
      async () => {
        const { step } = context();
        await step("first", () => 1);
        return step("second", () => {
          if (++tries < 3) throw new Error("not yet");
          return tries;
        });
      },
      { maxAttempts: 3, jitter: 0 },
    );
    const job = await flaky();
    await world.advance("1h");
    expect(await job.result(5_000)).toBe(3);
  });
});

describe("a handler that is not safe to replay", () => {
  test("charges twice, and the test sees it", async () => {
    await using world = await newWorld();
    const charges: string[] = [];
    const unsafe = world.client.durable("demo:unsafe", async (id: string) => {
      charges.push(id); // no step around it
      await context().step("ship", () => "shipped");
      return "done";
    });
    const job = await unsafe("o1");
    await world.settled();
    expect(await job.result(5_000)).toBe("done");
    expect(charges.length).toBeGreaterThan(1);
  });

  test("that returns something else is told with both results", async () => {
    const world = await newWorld();
    const roll = world.client.durable("demo:roll", () => Math.random());
    await roll();
    const error = await rejection(world.settled());
    expect(error).toBeInstanceOf(UnsafeReplayError);
    expect(String(error)).toMatch(/demo:roll \(job .*\) returned 0\.\d+, but 0\.\d+ when it was replayed/);
    // Told once.
    await world.stop();
  });

  test("that goes another way is told with the step that it did not ask for, also when only stop() looks", async () => {
    const world = await newWorld();
    let isFirst = true;
    const wander = world.client.durable("demo:wander", async () => {
      const { step } = context();
      const way = isFirst ? "left" : "right";
      isFirst = false;
      await step(way, () => "went");
      return "there";
    });
    const job = await wander();
    await job.result(5_000);
    const error = await rejection(world.stop());
    expect(error).toBeInstanceOf(UnsafeReplayError);
    expect(String(error)).toContain('recorded "left", but took another path when it was replayed');
  });
});

describe("without an order of what handlers are given, as in version 0.1", () => {
  /** As jobs from before there was one are replayed. */
  async function unorderedWorld() {
    const world = await newWorld();
    const testHooks = testHooksOf(world.options);
    const options = { ...world.options, [TEST_HOOKS]: { ...testHooks, isUnordered: true } };
    const client = new Reseolio({ ...options, drainTimeoutMs: 100 });
    await client.start();
    return { world, client };
  }

  const branches = async (): Promise<unknown> => {
    const { step, uuid } = context();
    return Promise.all(
      ["slow", "fast"].map(async (item) => {
        const fetched = await step("fetch", () => `${item} fetched`);
        return step("save", () => `${fetched}, saved under ${uuid.length}`);
      }),
    );
  };

  const deadline = async (): Promise<string> => {
    const { step, sleepFor, awaitEvent } = context();
    const late = sleepFor("deadline", 60_000).then(() => "late");
    const winner = await Promise.race([late, awaitEvent("paid").then(() => "paid")]);
    await step(winner === "paid" ? "ship" : "cancel", () => winner);
    await sleepFor("parcel on its way", 3_600_000);
    return winner;
  };

  for (const [what, isUnordered] of [
    ["the kit finds branches that get each other's records (R1) and a race that another one wins (R2)", true],
    ["with it there is nothing to find", false],
  ] as const) {
    test(what, async () => {
      const { world, client } = isUnordered ? await unorderedWorld() : { world: await newWorld(), client: undefined };
      const faults: string[] = [];
      const settle = async (act: Promise<unknown>): Promise<void> => {
        const fault = await act.then(() => undefined).catch((error: unknown) => error);
        if (fault instanceof UnsafeReplayError) faults.push(...fault.faults);
        else if (fault !== undefined) throw fault;
      };
      const runner = client ?? world.client;
      await runner.durable("demo:branches", branches)();
      await runner.durable("demo:deadline", deadline)();
      await settle(world.settled());
      await world.client.emitEvent("paid");
      await settle(world.settled());
      await settle(world.advance("2h"));
      await client?.stop();
      await settle(world.stop());
      expect(faults.some((fault) => fault.startsWith("demo:branches"))).toBe(isUnordered);
      expect(faults.some((fault) => fault.startsWith("demo:deadline"))).toBe(isUnordered);
    });
  }
});
