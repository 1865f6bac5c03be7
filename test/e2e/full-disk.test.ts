/** P19: a full disk refuses what is new, loses nothing that was acknowledged, and recovers by itself when there is space again. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { JobHandle, ReseolioError } from "../../src/sdk/index.ts";
import { createE2eWorld, WORK } from "../support/e2e-world.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { STORES } from "../support/each-store.ts";
import type { StoreKind } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { runCommand } from "../support/run-command.ts";
import { openStoredJobs } from "../support/stored-jobs.ts";
import { canMakeDisk, createTinyDisk } from "../support/tiny-disk.ts";
import type { TinyDisk } from "../support/tiny-disk.ts";
import type { RecipeResult } from "./fixtures/recipe.ts";

/** A PostgreSQL server needs 40 MB for itself, and a log of 16 MB in addition to its tables. */
const DISK_MEGABYTES = { sqlite: 24, postgres: 100 };
/** Random, because PostgreSQL would compress it otherwise. */
const PAYLOAD = randomBytes(50_000).toString("hex");

interface DiskWorld extends AsyncDisposable {
  readonly world: E2eWorld;
  readonly disk: TinyDisk;
}

/** A store that is alone on a disk of its own. */
async function createDiskWorld(kind: StoreKind): Promise<DiskWorld> {
  await using starting = new AsyncDisposableStack();
  const disk = starting.use(await createTinyDisk(DISK_MEGABYTES[kind]));
  const db = kind === "sqlite" ? disk.file("jobs.db") : await serverUrl(starting, disk);
  const world = starting.use(await createE2eWorld([], { db }));
  const owned = starting.move();
  return { world, disk, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function serverUrl(starting: AsyncDisposableStack, disk: TinyDisk): Promise<string> {
  return starting.use(await startPostgres({ directory: disk.path })).url("postgres");
}

describe.skipIf(!canMakeDisk).each(STORES)("P19: on a full disk [%s]", (kind) => {
  test("calls are refused with RESOURCE_EXHAUSTED, reads go on, and all recovers when space is back", async () => {
    await using full = await createDiskWorld(kind);
    const { world, disk } = full;
    const worker = await world.startWorker();
    const running = await world.enqueue({ holdMs: 1_000, label: "runs meanwhile" });
    await world.ledger.until("start", 1, running.jobId);
    const acknowledged = await enqueueUntilRefused(world, disk);

    // Refused everywhere in the same way, again and again, by the SDK, the command line and JSON.
    for (let again = 0; again < 5; again++)
      expect(await refusalOf(world)).toMatchObject({ code: "resource_exhausted" });
    const words = ["jobs", "enqueue", WORK, "--args", "-", "--addr", world.daemon.address];
    const cli = await runCommand([...reseolioCommand(), ...words], { stdin: JSON.stringify([{ label: PAYLOAD }]) });
    expect({ exitCode: cli.exitCode, stderr: cli.stderr }).toMatchObject({ exitCode: 1 });
    expect(cli.stderr).toMatch(/disk|full|space/i);
    await expectReads(world, acknowledged);
    // What ends now cannot be recorded yet: it is kept by its worker, not lost and not run again. PostgreSQL often finds
    // room for so little on a page that it has.
    await world.ledger.until("end", 1, running.jobId);
    if (kind === "sqlite") expect(await running.status()).toBe("running");
    expect(worker.stderr).not.toContain("refused the result");

    await disk.free();
    expect(await running.result(20_000)).toMatchObject({ label: "runs meanwhile", attempt: 1 });
    const after = await world.enqueue({ label: "after" });
    expect(await after.result(20_000)).toMatchObject({ label: "after" });
    await Promise.all(acknowledged.map((job) => job.result(20_000)));
    expect(world.ledger.starts()).toEqual(new Map([running, ...acknowledged, after].map((job) => [job.jobId, 1])));
    await world.daemon.kill();
    await using database = await openStoredJobs(world.daemon.db);
    expect(await database.integrity()).toBe("ok");
  }, 90_000);

  test("kill -9 while it is full loses nothing either: the next daemon has all that was acknowledged", async () => {
    await using full = await createDiskWorld(kind);
    const { world, disk } = full;
    const acknowledged = await enqueueUntilRefused(world, disk);
    await world.daemon.kill();
    await disk.free();
    await world.daemon.restart();
    await expectReads(world, acknowledged);
    await world.startWorker();
    await Promise.all(acknowledged.map((job) => job.result(20_000)));
  }, 90_000);
});

/** Fills the disk in the middle of the calls and answers those that were acknowledged. */
async function enqueueUntilRefused(world: E2eWorld, disk: TinyDisk): Promise<readonly JobHandle<RecipeResult>[]> {
  const acknowledged: JobHandle<RecipeResult>[] = [];
  // Delayed, so that nothing but the calls themselves moves.
  for (let call = 0; call < 1_000; call++) {
    if (call === 20) disk.fill();
    try {
      acknowledged.push(await world.enqueue({ label: PAYLOAD }, { delayMs: 2_000 }));
    } catch (error) {
      expect(error).toMatchObject({ code: "resource_exhausted" });
      return acknowledged;
    }
  }
  throw new Error("a thousand calls of 100 KB fit on a full disk");
}

function refusalOf(world: E2eWorld): Promise<ReseolioError | string> {
  return world.enqueue({ label: PAYLOAD }).then(
    (job) => `stored as ${job.jobId}`,
    (error: ReseolioError) => error,
  );
}

async function expectReads(world: E2eWorld, acknowledged: readonly JobHandle[]): Promise<void> {
  const details = await Promise.all(acknowledged.map((job) => job.details()));
  expect(details.map((job) => job.id)).toEqual(acknowledged.map((job) => job.jobId));
  expect((await world.client.listJobs({ limit: 10 })).jobs.length).toBeGreaterThan(0);
  expect((await fetch(`${world.daemon.url}/healthz`)).status).toBe(200);
}
