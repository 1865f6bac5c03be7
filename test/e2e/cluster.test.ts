/** Several daemons on one PostgreSQL database: whichever one took the call, it reaches the right worker. */
import { expect, test } from "bun:test";
import { context, JobFailedError, Reseolio } from "../../src/sdk/index.ts";
import type { JobHandle, JobStatus } from "../../src/sdk/index.ts";
import { createClusterWorld, enqueueWork, pairOf } from "../support/cluster-world.ts";
import { reseolioCommand } from "../support/executable.ts";
import { rejection } from "../support/rejection.ts";
import { runCommand } from "../support/run-command.ts";

for (const isPooled of [false, true]) {
  const how = isPooled ? "by polling alone, behind a pooler" : "by hints";

  test(`P10, P16: what is cancelled or awaited through one daemon reaches another's worker and comes back within a second, ${how}`, async () => {
    await using world = await createClusterWorld(2, { isPooled });
    const [here, there] = pairOf(world);
    const client = await world.startClient([here]);
    await world.startWorker([there]);
    const job = await enqueueWork(client, { holdMs: 60_000 });
    await world.ledger.until("start", 1, job.jobId);
    const cancelledAt = Date.now();
    expect(await job.cancel()).toBe(true);
    const [abort] = await world.ledger.until("abort", 1, job.jobId);
    expect(abort!.at - cancelledAt).toBeLessThan(1_000);
    expect(await job.status()).toBe("cancelled");

    const jobs = await Promise.all(Array.from({ length: 20 }, () => enqueueWork(client, { holdMs: 300 })));
    await Promise.all(jobs.map((job) => job.result(30_000)));
    const toldAt = Date.now();
    const ends = world.ledger.find("end").map(({ at }) => at);
    expect(toldAt - Math.max(...ends)).toBeLessThan(1_000);
    const dead = await enqueueWork(client, { failures: 1 }, { maxAttempts: 1 });
    expect(await rejection(dead.result(30_000))).toBeInstanceOf(JobFailedError);
  }, 60_000);
}

test("P7: a worker whose daemon is killed goes to the next one and keeps its work; so do its callers", async () => {
  await using world = await createClusterWorld(2);
  const [here, there] = pairOf(world);
  const client = await world.startClient([here, there]);
  const worker = await world.startWorker([here, there], { concurrency: 4 });
  const jobs = await Promise.all(Array.from({ length: 4 }, () => enqueueWork(client, { holdMs: 2_000 })));
  const results = jobs.map((job) => job.result(30_000));
  await world.ledger.until("start", 4);
  await here.kill();
  const later = await enqueueWork(client, { label: "called while the daemon was gone" });
  expect((await Promise.all(results)).map(({ pid, attempt }) => [pid, attempt])).toEqual(
    jobs.map(() => [worker.pid, 1]),
  );
  expect((await later.result(30_000)).attempt).toBe(1);
  expect([...world.ledger.starts().values()]).toEqual([1, 1, 1, 1, 1]);
}, 60_000);

test("P7: a daemon that stands still loses its workers to the next one before their leases are over", async () => {
  await using world = await createClusterWorld(2, { args: ["--lease", "3s"] });
  const [here, there] = pairOf(world);
  const client = await world.startClient([there]);
  const worker = await world.startWorker([here, there], { concurrency: 2 });
  const jobs = await Promise.all([0, 1].map(() => enqueueWork(client, { holdMs: 6_000 })));
  await world.ledger.until("start", 2);
  here.signal("SIGSTOP");
  const results = await Promise.all(jobs.map((job) => job.result(30_000)));
  here.signal("SIGCONT");
  expect(results.map(({ pid, attempt }) => [pid, attempt])).toEqual(jobs.map(() => [worker.pid, 1]));
  // The older daemon's outdated view of the worker changes nothing.
  const later = await Promise.all([0, 1, 2].map(() => enqueueWork(client, {})));
  for (const job of later) expect((await job.result(30_000)).attempt).toBe(1);
  expect([...world.ledger.starts().values()]).toEqual([1, 1, 1, 1, 1]);
}, 60_000);

test("P7, P17: a daemon that drains hands its workers to the next one, with what they run", async () => {
  await using world = await createClusterWorld(2);
  const [here, there] = pairOf(world);
  const client = await world.startClient([there]);
  const worker = await world.startWorker([here, there], { concurrency: 2 });
  // The stopping daemon has claimed all of them; some are still waiting in the worker.
  const jobs = await Promise.all(Array.from({ length: 6 }, () => enqueueWork(client, { holdMs: 1_000 })));
  await world.ledger.until("start", 2);
  expect((await here.stop()).exitCode).toBe(0);
  const results = await Promise.all(jobs.map((job) => job.result(30_000)));
  expect(results.map(({ pid, attempt }) => [pid, attempt])).toEqual(jobs.map(() => [worker.pid, 1]));
  expect([...world.ledger.starts().values()].every((starts) => starts === 1)).toBe(true);
  for (const job of jobs) expect((await job.details()).losses ?? 0).toBe(0);
}, 60_000);

test("P6: when a daemon and its workers die together, another daemon's workers take over within the lease and two seconds", async () => {
  await using world = await createClusterWorld(2, { args: ["--lease", "2s"] });
  const [here, there] = pairOf(world);
  const client = await world.startClient([there]);
  const lost = await world.startWorker([here]);
  const job = await enqueueWork(client, { holdMs: 1_500 });
  await world.ledger.until("start", 1, job.jobId);
  await world.startWorker([there]);
  await Promise.all([here.kill(), lost.kill()]);
  const diedAt = Date.now();
  const [, again] = await world.ledger.until("start", 2, job.jobId);
  expect(again!.at - diedAt).toBeLessThan(4_000);
  expect((await job.result(30_000)).attempt).toBe(2);
}, 60_000);

test("the command line goes to the next daemon, and tells of workers and functions of every daemon", async () => {
  await using world = await createClusterWorld(2);
  const [here, there] = pairOf(world);
  await world.startWorker([there], { concurrency: 3 });
  const run = (...words: readonly string[]) =>
    runCommand([...reseolioCommand(), ...words, "--addr", `${here.address},${there.address}`], { timeoutMs: 20_000 });
  const [worker] = JSON.parse((await run("workers", "list", "--json")).stdout).workers;
  expect(worker).toMatchObject({ state: "connected", concurrency: 3, running: 0 });
  const [served] = JSON.parse((await run("functions", "list", "--json")).stdout).functions;
  expect(served).toMatchObject({ workers: 1, freeSlots: 3 });
  await here.kill();
  const { stdout, exitCode } = await run("status", "--json");
  expect({ exitCode, address: JSON.parse(stdout).address }).toEqual({ exitCode: 0, address: there.address });
}, 60_000);

test("P13, P14: parked handlers of one daemon's worker go on, or end, by what happens through another, also after theirs died", async () => {
  await using world = await createClusterWorld(2);
  const [here, there] = pairOf(world);
  const client = await world.startClient([here]);
  const worker = new Reseolio({ address: [there.address, here.address], workerConcurrency: 1 });
  world.own(worker);
  const started: string[] = [];
  const aborted = Promise.withResolvers<void>();
  const child = worker.durable("cluster:child", async (n: number) => n * 2);
  worker.durable("cluster:parent", async (name: string) => {
    started.push(name);
    context().signal.addEventListener("abort", () => aborted.resolve());
    const paid = await context().awaitEvent<number>(`paid:${name}`);
    return (await (await child(paid)).result()) + 1;
  });
  await worker.start();
  const parents = await Promise.all(["a", "b", "c"].map((name) => client.enqueue<number>("cluster:parent", [name])));
  const [first, second, third] = parents as [JobHandle<number>, JobHandle<number>, JobHandle<number>];
  // One slot: each parent starts only because those before it are parked.
  for (const parent of parents) await untilStatus(parent, "suspended");

  const emittedAt = performance.now();
  await client.emitEvent("paid:a", 5);
  expect(await first.result(20_000)).toBe(11);
  expect(performance.now() - emittedAt).toBeLessThan(2_000);
  await second.cancel();
  await aborted.promise;
  await there.kill();
  await client.emitEvent("paid:c", 7);
  expect(await third.result(20_000)).toBe(15);
  expect((await third.details()).attempt).toBe(1);
  expect(started).toEqual(["a", "b", "c"]);
}, 60_000);

async function untilStatus(job: JobHandle, status: JobStatus): Promise<void> {
  while ((await job.status()) !== status) await Bun.sleep(20);
}
