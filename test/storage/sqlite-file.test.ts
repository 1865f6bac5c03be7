import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { chmod, mkdir, readdir, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { DaemonError } from "../../src/daemon/core/errors.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import { openStore, sqlitePath } from "../../src/daemon/storage/open-store.ts";
import { versionWarnings } from "../../src/daemon/storage/sqlite/connection/connection.ts";
import { toStoreError } from "../../src/daemon/storage/sqlite/connection/faults.ts";
import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { rejection } from "../support/rejection.ts";
import { runCommand } from "../support/run-command.ts";
import { tempDir } from "../support/temp-dir.ts";
import { claim, enqueue, failed, finished, happen, read, stored, type StoreWorld, succeeded } from "./store-world.ts";

async function fileWorld(path: string): Promise<StoreWorld> {
  const clock = new ManualClock();
  const store = await createSqliteStore({ path, clock });
  return { store, clock, [Symbol.asyncDispose]: () => store.close() };
}

describe("the setting", () => {
  for (const [url, path] of [
    ["sqlite://./x.db", "./x.db"],
    ["sqlite:///abs/x.db", "/abs/x.db"],
    ["sqlite:x.db", "x.db"],
    ["SQLite://x.db", "x.db"],
    ["x.db", "x.db"],
    ["/abs/x.db", "/abs/x.db"],
    ["./odd:name.db", "./odd:name.db"],
    ["C:\\data\\x.db", "C:\\data\\x.db"],
    [":memory:", ":memory:"],
    ["sqlite::memory:", ":memory:"],
    ["sqlite://:memory:", ":memory:"],
  ] as const) {
    test(`${url} is ${path}`, () => expect(sqlitePath(url)).toBe(path));
  }

  for (const [url, reason] of [
    ["", "contains no file path"],
    ["sqlite://", "contains no file path"],
    ["mysql://user:secret@host/db", "not a storage that reseolio supports"],
    ["sqlite://a\0b", "null byte"],
  ] as const) {
    test(`${JSON.stringify(url)} is refused: ${reason}`, async () => {
      const fault = (await rejection(openStore(url, { clock: new ManualClock() }))) as DaemonError;
      expect(fault.code).toBe("invalid_argument");
      expect(fault.violations).toMatchObject([{ field: "db" }]);
      expect(fault.message).toContain(reason);
      expect(fault.message).not.toContain("secret");
    });
  }
});

describe("what cannot be a database is refused with its path, and nothing is made", () => {
  const cases: Readonly<Record<string, readonly [(directory: string) => Promise<string>, string]>> = {
    "a missing directory": [async (directory) => `${directory}/none/x.db`, "does not exist"],
    "a directory": [
      async (directory) => {
        await mkdir(`${directory}/folder`);
        return `${directory}/folder`;
      },
      "is a directory",
    ],
    "a file as directory": [
      async (directory) => {
        await Bun.write(`${directory}/file`, "text");
        return `${directory}/file/x.db`;
      },
      "not a directory",
    ],
    "a file that is not SQLite": [
      async (directory) => {
        await Bun.write(`${directory}/text.db`, "Dear diary, today I learnt about durable execution.");
        return `${directory}/text.db`;
      },
      "is not an SQLite database",
    ],
  };
  for (const [what, [make, reason]] of Object.entries(cases)) {
    test(what, async () => {
      await using directory = await tempDir();
      const path = await make(directory.path);
      const before = await readdir(directory.path, { recursive: true });
      const fault = (await rejection(createSqliteStore({ path, clock: new ManualClock() }))) as DaemonError;
      expect(fault).toBeInstanceOf(DaemonError);
      expect(fault.code).toBe("failed_precondition");
      expect(fault.message).toContain(path);
      expect(fault.message).toContain(reason);
      expect(await readdir(directory.path, { recursive: true })).toEqual(before);
    });
  }

  // Root may write everywhere: the test then runs as another user.
  test("a directory and a file that this user cannot write", async () => {
    await using directory = await tempDir();
    await chmod(directory.path, 0o755);
    const path = directory.file("locked.db");
    await using world = await fileWorld(path);
    await world.store.close();
    await rm(`${path}.lock`, { force: true });
    await chmod(path, 0o444);
    await chmod(directory.path, 0o555);
    for (const name of ["new.db", "locked.db"]) {
      const fault = await openAsNobody(directory.file(name));
      expect(fault).toContain("failed_precondition");
      expect(fault).toContain(directory.file(name));
      expect(fault).toContain("cannot be");
    }
    await chmod(directory.path, 0o755);
    expect(await readdir(directory.path)).toEqual(["locked.db"]);
  });
});

async function openAsNobody(path: string): Promise<string> {
  const program = `
    if (process.getuid() === 0) process.setuid(65534);
    const { resolveDatabasePath } = await import(${JSON.stringify(resolve("src/daemon/storage/sqlite/connection/database-path.ts"))});
    try { resolveDatabasePath(${JSON.stringify(path)}); console.log("no fault"); }
    catch (fault) { console.log(fault.code, fault.message); }
  `;
  const { stdout } = await runCommand([process.execPath, "-e", program]);
  return stdout;
}

test("every file is for its owner only, whatever the umask", async () => {
  await using directory = await tempDir();
  const before = process.umask(0);
  try {
    await using world = await fileWorld(directory.file("jobs.db"));
    await stored(world);
    await world.store.jobs.get("none");
    const names = (await readdir(directory.path)).sort();
    expect(names).toEqual(["jobs.db", "jobs.db-shm", "jobs.db-wal", "jobs.db.lock"]);
    for (const name of names) expect((await stat(directory.file(name))).mode & 0o777).toBe(0o600);
    expect(process.umask(0)).toBe(0);
  } finally {
    process.umask(before);
  }
});

test("P1: commits are synced to disk: WAL with synchronous FULL", async () => {
  const ran: string[] = [];
  const spied = Database.prototype.run;
  Database.prototype.run = function (this: Database, ...args: Parameters<typeof spied>) {
    ran.push(args[0]);
    return spied.apply(this, args);
  } as typeof spied;
  await using directory = await tempDir();
  try {
    await using _world = await fileWorld(directory.file("jobs.db"));
  } finally {
    Database.prototype.run = spied;
  }
  expect(ran).toContain("pragma synchronous = full");
  using db = new Database(directory.file("jobs.db"), { readonly: true });
  expect(db.query("pragma journal_mode").values()).toEqual([["wal"]]);
});

test("P1: what was committed is there after the store is opened again", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  let jobId: string;
  let before: unknown;
  {
    await using world = await fileWorld(path);
    jobId = await finished(world, { idempotencyKey: "k", args: "x".repeat(3000), headers: { a: "b" } });
    await stored(world, { functionName: "test:other" });
    before = [await read(world, jobId), await world.store.jobs.count()];
  }
  await using world = await fileWorld(path);
  expect([await read(world, jobId), await world.store.jobs.count()]).toEqual(before as never);
  expect(await enqueue(world, { idempotencyKey: "k" })).toMatchObject([{ kind: "deduplicated", jobId }]);
});

test("P7: jobs that were running when the store went away are still leased, listed and settled afterwards", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  let running: readonly Job[];
  {
    await using world = await fileWorld(path);
    await enqueue(world, ...Array.from({ length: 30 }, (_, index) => ({ functionName: `test:${index % 3}` })));
    running = await claim(world, 10, ["test:0", "test:1", "test:2"], "worker-1");
    await claim(world, 3, ["test:1"], "worker-2");
    await happen(world, running[0]!, succeeded());
    await happen(world, running[1]!, failed());
  }
  await using world = await fileWorld(path);
  const held = running.slice(2).map((job) => job.jobId);
  const leased = await world.store.transact((tx) => tx.jobs.listLeased("worker-1"));
  expect(leased.map((job) => job.jobId).sort()).toEqual(held.toSorted());
  const page = await world.store.jobs.list({ filter: { states: ["RUNNING"] }, limit: 50, before: null });
  expect(page.jobs).toHaveLength(held.length + 3);
  expect(await happen(world, running[2]!, succeeded())).toBe(true);
  expect(await happen(world, running[0]!, succeeded())).toBe(false);
});

test("the log stays small under load, also while a page is read again and again", async () => {
  await using directory = await tempDir();
  await using world = await fileWorld(directory.file("jobs.db"));
  let largest = 0;
  for (let batch = 0; batch < 400; batch++) {
    await enqueue(world, ...Array.from({ length: 100 }, () => ({ args: "x".repeat(500) })));
    await world.store.jobs.list({ filter: {}, limit: 50, before: null });
    largest = Math.max(largest, (await stat(directory.file("jobs.db-wal"))).size);
  }
  expect((await stat(directory.file("jobs.db"))).size).toBeGreaterThan(20 * 1024 * 1024);
  expect(largest).toBeLessThan(16 * 1024 * 1024);
});

test("a closed store leaves one whole file, without a log", async () => {
  await using directory = await tempDir();
  await using world = await fileWorld(directory.file("jobs.db"));
  await stored(world);
  await world.store.close();
  expect((await readdir(directory.path)).sort()).toEqual(["jobs.db", "jobs.db.lock"]);
});

test("an SQLite that can damage files is told of, a safe one is not", () => {
  expect(versionWarnings("3.51.2")).toHaveLength(1);
  expect(versionWarnings("3.37.0")[0]).toContain("3.37.0");
  expect(versionWarnings("3.51.3")).toEqual([]);
  expect(versionWarnings("3.100.0")).toEqual([]);
});

describe("P19: faults of SQLite by their code", () => {
  for (const [sqliteCode, code] of [
    ["SQLITE_FULL", "resource_exhausted"],
    ["SQLITE_IOERR_FSYNC", "fatal"],
    ["SQLITE_IOERR_WRITE", "fatal"],
    ["SQLITE_CORRUPT", "fatal"],
    ["SQLITE_CORRUPT_INDEX", "fatal"],
    ["SQLITE_NOTADB", "fatal"],
    ["SQLITE_READONLY_DBMOVED", "fatal"],
    ["SQLITE_BUSY_SNAPSHOT", "unavailable"],
    ["SQLITE_MISUSE", "internal"],
  ] as const) {
    test(`${sqliteCode} is ${code}`, () => {
      const cause = Object.assign(new Error("told by SQLite"), { code: sqliteCode });
      const fault = toStoreError(cause, "/data/jobs.db") as DaemonError;
      expect(fault.code).toBe(code);
      expect(fault.cause).toBe(cause);
      for (const fact of ["/data/jobs.db", "told by SQLite", sqliteCode]) expect(fault.message).toContain(fact);
    });
  }

  test("any other error comes back as it is", () => {
    const fault = new Error("mine");
    expect(toStoreError(fault, "/x")).toBe(fault);
  });
});

test("P19: after damage is found the store refuses everything, so that nothing is built on it", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  {
    await using world = await fileWorld(path);
    for (let batch = 0; batch < 30; batch++) await enqueue(world, ...Array.from({ length: 100 }, () => ({})));
  }
  const bytes = await Bun.file(path).bytes();
  // Everything but the first pages, which are read at the start.
  bytes.fill(0xaa, 40 * 4096);
  await Bun.write(path, bytes);
  await using world = await fileWorld(path);
  const first = (await rejection(enqueue(world, ...Array.from({ length: 100 }, () => ({}))))) as DaemonError;
  expect(first.code).toBe("fatal");
  expect(first.message).toContain("reseolio db check");
  expect(await rejection(world.store.ping())).toBe(first);
  expect(await rejection(world.store.jobs.get("none"))).toBe(first);
});
