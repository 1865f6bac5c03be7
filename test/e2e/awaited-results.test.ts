/** P16: result() always ends, with a value, an error or the caller's timeout, whatever happens to the daemon meanwhile. */
import { expect } from "bun:test";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { rejection } from "../support/rejection.ts";
import { runOrThrow } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";

const NO_SUCH_JOB = "01900000-0000-7000-8000-000000000000";

testOnEachStore(
  "P16: it ends with the value, or with the handler's own error, in this and in another client",
  async (store) => {
    await using world = await store.createWorld();
    await world.startWorker();
    const good = await world.enqueue({ label: "good", holdMs: 50 });
    const bad = await world.enqueue({ failures: 9 }, { maxAttempts: 1 });
    const other = await world.startClient();
    for (const client of [world.client, other]) {
      expect(await client.handle(good.jobId).result(10_000)).toMatchObject({ label: "good" });
      const error = (await rejection(client.handle(bad.jobId).result(10_000))) as Error;
      expect(error).toMatchObject({ code: "job_failed", reason: "handler", jobId: bad.jobId });
      expect(error.cause).toMatchObject({ name: "Error", message: "attempt 1 fails as it was told" });
    }
  },
);

testOnEachStore("P16: it ends at the caller's timeout, never before, and the job goes on", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  const job = await world.enqueue({ holdMs: 1_500 });
  const startedAt = performance.now();
  expect(await rejection(job.result(400))).toMatchObject({ code: "result_timeout", timeoutMs: 400 });
  const waitedMs = performance.now() - startedAt;
  expect(waitedMs).toBeGreaterThanOrEqual(399);
  expect(waitedMs).toBeLessThan(1_400);
  expect(await job.result(10_000)).toMatchObject({ attempt: 1 });
});

testOnEachStore("P16: the timeout holds while the daemon is away", async (store) => {
  await using world = await store.createWorld();
  const job = await world.enqueue({});
  await world.daemon.kill();
  expect(await rejection(job.result(300))).toMatchObject({ code: "result_timeout" });
});

testOnEachStore("P16: waits outlive kills of the daemon, also when the job ends while it is down", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker({ concurrency: 50 });
  const jobs = await Promise.all(Array.from({ length: 100 }, (_, index) => world.enqueue({ holdMs: 20 * index })));
  const waits = Promise.all(jobs.map((job) => job.result(30_000)));
  for (let kill = 0; kill < 3; kill++) {
    const before = world.ledger.find("end").length;
    await world.ledger.until("end", Math.min(before + 10, jobs.length));
    await world.daemon.kill();
    // These end without a daemon, and are settled with the next one.
    const ended = world.ledger.find("end").length;
    const running = world.ledger.find("start").length - ended;
    await world.ledger.until("end", ended + Math.min(5, running));
    await world.daemon.restart();
  }
  expect((await waits).length).toBe(jobs.length);
});

testOnEachStore(
  "P16: 500 waits that begin just before, at and just after the end of their jobs all end",
  async (store) => {
    const random = seededRandom("P16");
    await using world = await store.createWorld();
    // A free slot for every chain: no job waits, so each ends a few milliseconds after its call.
    await world.startWorker({ concurrency: 20 });
    const waiting = await world.startClient();
    const chains = Array.from({ length: 10 }, async () => {
      for (let call = 0; call < 50; call++) {
        const job = await world.enqueue({ holdMs: random.between(0, 3) });
        // The time between the two calls is under test.
        await Bun.sleep(random.between(0, 12));
        await waiting.handle(job.jobId).result(10_000);
      }
    });
    await Promise.all(chains);
  },
);

testOnEachStore("P16: a job that is not there, or was deleted, is an error at once", async (store) => {
  await using world = await store.createWorld();
  await world.startWorker();
  expect(await rejection(world.client.handle(NO_SUCH_JOB).result(10_000))).toMatchObject({ code: "not_found" });
  const job = await world.enqueue({});
  await job.result(10_000);
  await deleteJob(world.daemon.address, job.jobId);
  expect(await rejection(job.result(10_000))).toMatchObject({ code: "not_found" });
  expect(await rejection(job.details())).toMatchObject({ code: "not_found" });
});

testOnEachStore(
  "P16: a job that ended and was deleted while the waiting client was cut off ends its wait",
  async (store) => {
    await using world = await store.createWorld();
    const proxy = world.own(await startCuttingProxy(world.daemon.address, seededRandom("P16 deleted")));
    const cutOff = await world.startClient({ address: proxy.address });
    const job = await world.enqueue({});
    const wait = rejection(cutOff.handle(job.jobId).result(20_000));
    proxy.set({ isDown: true });
    await world.startWorker();
    await job.result(10_000);
    await deleteJob(world.daemon.address, job.jobId);
    proxy.set({});
    expect(await wait).toMatchObject({ code: "not_found" });
  },
);

testOnEachStore("P16: stopping the client ends its waits", async (store) => {
  await using world = await store.createWorld();
  const client = await world.startClient();
  const job = await world.enqueue({});
  const wait = rejection(client.handle(job.jobId).result());
  await client.stop();
  expect(await wait).toMatchObject({ code: "connection" });
});

async function deleteJob(address: string, jobId: string): Promise<void> {
  await runOrThrow([...reseolioCommand(), "jobs", "delete", jobId, "--yes", "--addr", address]);
}
