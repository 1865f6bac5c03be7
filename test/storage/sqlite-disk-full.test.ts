import { expect, test } from "bun:test";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import { checkDatabase } from "../../src/daemon/database.ts";
import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { runCommand } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";
import { claim, enqueue, happen, stored, type StoreWorld, succeeded } from "./store-world.ts";

interface TinyDisk extends AsyncDisposable {
  readonly path: string;
}

/** A filesystem of its own with 12 MB, or null where this user may not mount one. */
async function tinyDisk(): Promise<TinyDisk | null> {
  const directory = await tempDir();
  const image = directory.file("disk.img");
  const mount = directory.file("disk");
  const release = async (): Promise<void> => {
    await runCommand(["umount", mount]);
    await directory[Symbol.asyncDispose]();
  };
  await mkdir(mount);
  await writeFile(image, "");
  await truncate(image, 12 * 1024 * 1024);
  try {
    for (const command of [
      ["mkfs.ext4", "-q", "-F", image],
      ["mount", "-o", "loop", image, mount],
    ]) {
      const { exitCode } = await runCommand(command);
      if (exitCode !== 0) throw new Error(`${command[0]} ended with ${exitCode}`);
    }
  } catch {
    await release();
    return null;
  }
  return { path: mount, [Symbol.asyncDispose]: release };
}

const probe = await tinyDisk();
const canMount = probe !== null;
await probe?.[Symbol.asyncDispose]();

test.skipIf(!canMount)(
  "P19: a full disk refuses with resource_exhausted, keeps what was acknowledged, and works again when there is room",
  async () => {
    await using disk = (await tinyDisk())!;
    const ballast = `${disk.path}/ballast`;
    await writeFile(ballast, new Uint8Array(3 * 1024 * 1024));
    const clock = new ManualClock();
    const path = `${disk.path}/jobs.db`;
    const store = await createSqliteStore({ path, clock });
    await using world: StoreWorld = { store, clock, [Symbol.asyncDispose]: () => store.close() };

    const acknowledged: string[] = [];
    const fill = async (): Promise<DaemonError> => {
      for (let batch = 0; batch < 1000; batch++) {
        const outcomes = await enqueue(
          world,
          ...Array.from({ length: 20 }, () => ({ args: "x".repeat(900), idempotencyKey: `${Math.random()}` })),
        ).catch((fault: unknown) => fault as DaemonError);
        if (outcomes instanceof Error) return outcomes;
        for (const outcome of outcomes) if (outcome.kind === "stored") acknowledged.push(outcome.jobId);
      }
      throw new Error("the disk did not fill");
    };

    const fault = await fill();
    expect(fault.code).toBe("resource_exhausted");
    expect(fault.message).toContain(path);
    expect(fault.message).toContain("free some space");
    // Reads go on, counters tell the truth, and a refused write is refused again, never half done.
    expect(await store.jobs.getMany(acknowledged)).toHaveLength(acknowledged.length);
    expect((await store.jobs.count())[0]!.count).toBe(acknowledged.length);
    expect((await fill()).code).toBe("resource_exhausted");

    await rm(ballast);
    const [job] = await claim(world, 1);
    expect(await happen(world, job!, succeeded())).toBe(true);
    acknowledged.push(await stored(world));
    await store.ping();
    expect(await store.jobs.getMany(acknowledged)).toHaveLength(acknowledged.length);
    await store.close();
    expect(await checkDatabase(path)).toMatchObject({ problems: [], jobs: acknowledged.length });
  },
  60_000,
);
