/** P3: one job per function and idempotency key, whoever calls and whenever. */
import { expect } from "bun:test";
import type { DeduplicatedCall } from "../../src/sdk/index.ts";
import { WORK } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { spawnFixture } from "../support/fixture-process.ts";
import { rejection } from "../support/rejection.ts";
import type { BurstSettings } from "./fixtures/burst.ts";

const KEY = { idempotencyKey: "order-4711" };

interface Call {
  readonly jobId: string;
  readonly deduplicated: boolean;
}

function expectOneJob(calls: readonly Call[], count: number): void {
  expect(calls.length).toBe(count);
  expect(new Set(calls.map((call) => call.jobId)).size).toBe(1);
  expect(calls.filter((call) => !call.deduplicated).length).toBe(1);
}

testOnEachStore("P3: 100 concurrent calls of one client with one key are one job, new exactly once", async (store) => {
  await using world = await store.createWorld();
  const calls = await Promise.all(Array.from({ length: 100 }, () => world.enqueue({ label: "same" }, KEY)));
  expectOneJob(calls, 100);
  expect((await world.client.listJobs({ name: WORK })).jobs.length).toBe(1);
});

testOnEachStore("P3: 10 processes of 10 concurrent calls with one key are one job, new exactly once", async (store) => {
  await using world = await store.createWorld();
  const settings: BurstSettings = { address: world.daemon.address, functionName: WORK, ...KEY, calls: 10 };
  const processes = Array.from({ length: 10 }, () => world.own(spawnFixture("burst", { settings })));
  await Promise.all(processes.map((process) => process.line("ready")));
  for (const process of processes) process.tell("go");
  const said = await Promise.all(processes.map((process) => process.line("called ")));
  expectOneJob(
    said.flatMap((line) => JSON.parse(line.slice("called ".length)) as Call[]),
    100,
  );
  expect((await world.client.listJobs({ name: WORK })).jobs.length).toBe(1);
});

testOnEachStore(
  "P3: the key holds after SUCCESS, for as long as the job is kept, and the result is the first one's",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker();
    const first = await world.enqueue({ label: "first" }, KEY);
    const result = await first.result(10_000);
    const again = await world.enqueue({ label: "first" }, KEY);
    expect(again.deduplicated).toBe(true);
    expect(again.jobId).toBe(first.jobId);
    expect(await again.result(10_000)).toEqual(result);
    await world.daemon.restart();
    expect((await world.enqueue({ label: "first" }, KEY)).jobId).toBe(first.jobId);
    expect(world.ledger.starts()).toEqual(new Map([[first.jobId, 1]]));
  },
);

testOnEachStore("P3: a repeated call with other arguments is told so, and changes nothing", async (store) => {
  await using world = await store.createWorld();
  const told: DeduplicatedCall[] = [];
  world.client.on("deduplicated", (call) => told.push(call));
  const first = await world.enqueue({ label: "one" }, KEY);
  await world.enqueue({ label: "one" }, KEY);
  const other = await world.enqueue({ label: "two" }, KEY);
  expect(other.jobId).toBe(first.jobId);
  expect(told.map((call) => call.argsDiffer)).toEqual([false, true]);
  expect((await first.details()).args).toEqual([{ label: "one" }]);
});

testOnEachStore(
  "P3: onDuplicate reject is an error that names the job, replace_finished starts anew only after the end",
  async (store) => {
    await using world = await store.createWorld();
    const first = await world.enqueue({ label: "one" }, KEY);
    const message: unknown = expect.stringContaining(first.jobId);
    const rejected = world.enqueue({ label: "two" }, { ...KEY, onDuplicate: "reject" });
    expect(await rejection(rejected)).toMatchObject({ code: "already_exists", message });
    const unfinished = await world.enqueue({ label: "two" }, { ...KEY, onDuplicate: "replace_finished" });
    expect(unfinished.jobId).toBe(first.jobId);
    await world.startWorker();
    await first.result(10_000);
    const replacing = await world.enqueue({ label: "two" }, { ...KEY, onDuplicate: "replace_finished" });
    expect(replacing.deduplicated).toBe(false);
    expect(replacing.jobId).not.toBe(first.jobId);
    expect(await replacing.result(10_000)).toMatchObject({ label: "two" });
    // The key now belongs to the new job.
    expect((await world.enqueue({ label: "two" }, KEY)).jobId).toBe(replacing.jobId);
  },
);

testOnEachStore("P3: the same key of another function is another job", async (store) => {
  await using world = await store.createWorld();
  const [one, other] = await Promise.all([
    world.client.enqueue("e2e:key:one", [], KEY),
    world.client.enqueue("e2e:key:other", [], KEY),
  ]);
  expect([one.deduplicated, other.deduplicated]).toEqual([false, false]);
  expect(one.jobId).not.toBe(other.jobId);
});
