/** P19, P1, P16: PostgreSQL goes away and comes back; the daemon, its workers and its clients are the same all the time. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { JobHandle } from "../../src/sdk/index.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { createE2eWorld, WORK } from "../support/e2e-world.ts";
import { testStore } from "../support/each-store.ts";
import type { StoreWorld } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import type { PostgresServer } from "../support/postgres-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { rejection } from "../support/rejection.ts";
import { environment, runCommand } from "../support/run-command.ts";
import { randomFrom } from "../support/seeded-random.ts";
import { openStoredJobs } from "../support/stored-jobs.ts";
import type { RecipeResult } from "./fixtures/recipe.ts";

const RECOVERY_MS = 10_000;

async function worldOnOwnServer(): Promise<{ readonly world: StoreWorld; readonly server: PostgresServer }> {
  const world = await testStore("postgres").createWorld([], { server: "own" });
  if (world.server === null) throw new Error("the world has no server of its own");
  return { world, server: world.server };
}

test("P19: a server that crashes under load three times costs no job, no attempt and no process", async () => {
  const { world, server } = await worldOnOwnServer();
  await using _ = world;
  const worker = await world.startWorker({ concurrency: 8 });
  const { pid } = world.daemon;
  const jobs: JobHandle<RecipeResult>[] = [];
  const over = new AbortController();
  const callers = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) {
      jobs.push(await world.enqueue({ holdMs: 15 }));
      await Bun.sleep(2);
    }
  });
  for (const downMs of [0, 1_000, 300]) {
    await world.ledger.until("end", world.ledger.find("end").length + 30);
    await server.crash();
    // How long it is away is what is tested.
    await Bun.sleep(downMs);
    await server.start();
  }
  const backAt = performance.now();
  await world.ledger.until("start", world.ledger.find("start").length + 30);
  expect(performance.now() - backAt).toBeLessThan(RECOVERY_MS);
  over.abort();
  await Promise.all(callers);

  const results = await Promise.all(jobs.map((job) => job.result(RECOVERY_MS)));
  // Its worker was alive all the time: nothing ran twice, nothing was counted.
  expect(results.filter((result) => result.attempt !== 1 || result.pid !== worker.pid)).toEqual([]);
  expect(world.ledger.starts()).toEqual(new Map(jobs.map((job) => [job.jobId, 1])));
  expect(world.daemon.pid).toBe(pid);
  await using stored = await openStoredJobs(world.daemon.db);
  expect(await stored.integrity()).toBe("ok");
  const { maintained, counted } = await stored.counters();
  expect(maintained).toEqual(counted);
}, 60_000);

test("P19: while the server is away reads and writes say so, waits end at their time, and all goes on by itself", async () => {
  const { world, server } = await worldOnOwnServer();
  await using _ = world;
  const running = await world.enqueue({ holdMs: 200, label: "ends meanwhile" });
  await world.startWorker();
  await world.ledger.until("start", 1, running.jobId);
  const impatient = await world.startClient({ callTimeoutMs: 800 });
  await server.crash();

  const startedAt = performance.now();
  expect(await rejection(impatient.enqueue(WORK, [{}]))).toMatchObject({ code: "connection" });
  expect(performance.now() - startedAt).toBeLessThan(2_500);
  expect(await rejection(running.result(300))).toMatchObject({ code: "result_timeout" });
  const cli = await runCommand([...reseolioCommand(), "jobs", "enqueue", WORK, "--addr", world.daemon.address]);
  expect(cli.exitCode).toBe(5);
  expect(cli.stderr).toContain("PostgreSQL");
  // Alive, but not ready: a balancer sends its calls elsewhere, and nobody restarts it.
  expect((await fetch(`${world.daemon.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${world.daemon.url}/readyz`)).status).toBe(503);
  const waiting = world.enqueue({ label: "called meanwhile" });
  await world.ledger.until("end", 1, running.jobId);

  await server.start();
  expect(await running.result(RECOVERY_MS)).toMatchObject({ label: "ends meanwhile", attempt: 1 });
  expect(await (await waiting).result(RECOVERY_MS)).toMatchObject({ label: "called meanwhile" });
  expect((await fetch(`${world.daemon.url}/readyz`)).status).toBe(200);
}, 60_000);

test("P19: a delay, a time limit and a cancellation that fall into an outage come to pass after it", async () => {
  const { world, server } = await worldOnOwnServer();
  await using _ = world;
  await world.startWorker();
  const limited = await world.enqueue({ holdMs: 60_000 }, { timeoutMs: 700, maxAttempts: 1 });
  const late = await world.enqueue({}, { startWithinMs: 600, delayMs: 60_000 });
  const delayed = await world.enqueue({ label: "delayed" }, { delayMs: 500 });
  await world.ledger.until("start", 1, limited.jobId);
  await server.crash();
  // Longer than all of them is what is tested.
  await Bun.sleep(1_200);
  await server.start();
  // Its worker counts too, and may be heard before the daemon has looked.
  const message: unknown = expect.stringContaining("700 ms");
  expect(await rejection(limited.result(RECOVERY_MS))).toMatchObject({ code: "job_failed", message });
  expect(await rejection(late.result(RECOVERY_MS))).toMatchObject({ code: "job_cancelled", reason: "start_deadline" });
  expect(await delayed.result(RECOVERY_MS)).toMatchObject({ label: "delayed", attempt: 1 });
  await world.ledger.until("abort", 1, limited.jobId);
}, 60_000);

test("P17 P19: a daemon whose server is away leaves at SIGTERM all the same, and its jobs wait for the next, which waits for the server", async () => {
  const { world, server } = await worldOnOwnServer();
  await using _ = world;
  await world.startWorker({ concurrency: 1 });
  const jobs = await Promise.all([world.enqueue({ holdMs: 300 }), world.enqueue({ holdMs: 300 })]);
  await world.ledger.until("start", 1);
  await server.crash();
  const askedAt = performance.now();
  expect(await world.daemon.stop(15_000)).toEqual({ exitCode: 0, signal: null });
  expect(performance.now() - askedAt).toBeLessThan(8_000);
  // The next one waits for the server, as on a machine that brings up both.
  const restarted = world.daemon.restart();
  while (!world.daemon.logs.includes("not reachable")) await Bun.sleep(20);
  await server.start();
  await restarted;
  const results = await Promise.all(jobs.map((job) => job.result(RECOVERY_MS)));
  expect(results.map((result) => result.attempt)).toEqual([1, 1]);
}, 60_000);

test("P17: a start that waits for its server ends at SIGTERM; one that somebody else waits for does not wait", async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const serve = [...reseolioCommand(), "serve", "--db", "postgres://nobody@127.0.0.1:1/none", "--addr", address];
  const lingering = await runCommand([...serve, "--linger", "1s"]);
  expect(lingering.exitCode).toBe(1);
  expect(lingering.stderr).toContain("no server answers at this address");

  const [program, ...args] = serve;
  const waiting = spawn(program!, args, { env: environment(), stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(waiting, "exit");
  const [line] = (await once(waiting.stderr, "data")) as [Buffer];
  expect(line.toString()).toContain("not reachable");
  waiting.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
}, 60_000);

test("P17 P19: nor does a network that swallows everything keep it", async () => {
  await using server = await startPostgres();
  await using network = await startCuttingProxy(`127.0.0.1:${server.port}`, randomFrom(1));
  const db = server.url("postgres").replace(`127.0.0.1:${server.port}`, network.address);
  await using world = await createE2eWorld([], { db });
  await world.startWorker();
  const running = await world.enqueue({ holdMs: 500 });
  await world.ledger.until("start", 1, running.jobId);
  network.set({ isBlackHole: true });
  const waiting = world.enqueue({ label: "called meanwhile" });
  const askedAt = performance.now();
  expect(await world.daemon.stop(25_000)).toEqual({ exitCode: 0, signal: null });
  expect(performance.now() - askedAt).toBeLessThan(20_000);
  network.set({});
  await world.daemon.restart();
  expect(await running.result(RECOVERY_MS)).toMatchObject({ attempt: 1 });
  expect(await (await waiting).result(RECOVERY_MS)).toMatchObject({ label: "called meanwhile" });
}, 60_000);
