import { expect, test } from "bun:test";
import { link, mkdir, rm, symlink, truncate } from "node:fs/promises";
import { hostname } from "node:os";
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import { checkDatabase, describeDatabase } from "../../src/daemon/database.ts";
import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { rejection } from "../support/rejection.ts";
import { tempDir } from "../support/temp-dir.ts";
import { startFixture } from "./fixture-process.ts";

const clock = new ManualClock();
const ADDRESS = "127.0.0.1:50051";

test("P18: a second process is refused with the first one's pid, host and address", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await using first = startFixture("hold-store", path, ADDRESS);
  expect([await first.line(), await first.line()]).toEqual(["opening", "open"]);

  const fault = (await rejection(createSqliteStore({ path, clock }))) as DaemonError;
  expect(fault.code).toBe("failed_precondition");
  for (const fact of [path, `pid ${first.pid}`, hostname(), ADDRESS]) expect(fault.message).toContain(fact);
  expect(fault.metadata).toMatchObject({ path, pid: String(first.pid), address: ADDRESS });
});

test("P18: a second process is refused while this one holds the file, and tells so itself", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  const store = await createSqliteStore({ path, clock, owner: { nodeId: "here", address: ADDRESS } });
  await using second = startFixture("hold-store", path, "elsewhere");
  expect(await second.line()).toBe("opening");
  const answer = await second.line();
  expect(answer).toStartWith("refused ");
  expect(answer).toContain(`pid ${process.pid}`);
  await store.close();
});

test("P18: a damaged lock file is told as such, and to be deleted", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await (await createSqliteStore({ path, clock })).close();
  // Its first page names a table whose page is not there.
  await truncate(`${path}.lock`, 4096);
  const fault = (await rejection(createSqliteStore({ path, clock }))) as DaemonError;
  expect(fault.code).toBe("failed_precondition");
  for (const text of [`${path}.lock is corrupt`, "but the database is not", "delete this file"]) {
    expect(fault.message).toContain(text);
  }
  await rm(`${path}.lock`);
  await (await createSqliteStore({ path, clock })).close();
});

test("P18: the lock dies with its process, ten kills in a row", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  for (let round = 0; round < 10; round++) {
    const holder = startFixture("hold-store", path, ADDRESS);
    expect([await holder.line(), await holder.line()]).toEqual(["opening", "open"]);
    await holder.kill();
    const store = await createSqliteStore({ path, clock });
    await store.close();
  }
}, 60_000);

test("P18: a closed store frees the file for the next process", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await using holder = startFixture("hold-store", path, ADDRESS);
  expect([await holder.line(), await holder.line()]).toEqual(["opening", "open"]);
  await holder.finish();
  await (await createSqliteStore({ path, clock })).close();
});

test("P18: of many processes that start at once exactly one gets the file", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  const starters = Array.from({ length: 6 }, (_, index) => startFixture("hold-store", path, `address-${index}`));
  try {
    for (const starter of starters) expect(await starter.line()).toBe("opening");
    const answers = await Promise.all(starters.map((starter) => starter.line()));
    expect(answers.filter((answer) => answer === "open")).toHaveLength(1);
    expect(answers.filter((answer) => answer?.startsWith("refused"))).toHaveLength(5);
  } finally {
    for (const starter of starters) await starter.kill();
  }
}, 60_000);

test("P18: another name of the same file does not get around the lock", async () => {
  await using directory = await tempDir();
  await mkdir(directory.file("real"));
  const path = directory.file("real", "jobs.db");
  const store = await createSqliteStore({ path, clock });
  await symlink(path, directory.file("link.db"));
  await symlink(directory.file("real"), directory.file("linked"));
  await symlink(directory.file("link.db"), directory.file("link-to-link.db"));
  for (const name of ["link.db", "linked/jobs.db", "link-to-link.db", "real/../real/jobs.db"]) {
    const fault = (await rejection(createSqliteStore({ path: directory.file(name), clock }))) as DaemonError;
    expect(fault.message).toContain(`pid ${process.pid}`);
  }
  await link(path, directory.file("hard.db"));
  const fault = (await rejection(createSqliteStore({ path: directory.file("hard.db"), clock }))) as DaemonError;
  expect(fault.message).toContain("more than one name");
  await store.close();
});

test("a link to a file that is not there yet locks the file that is made", async () => {
  await using directory = await tempDir();
  await symlink(directory.file("target.db"), directory.file("link.db"));
  const store = await createSqliteStore({ path: directory.file("link.db"), clock });
  expect(store.name).toBe(directory.file("target.db"));
  const fault = (await rejection(createSqliteStore({ path: directory.file("target.db"), clock }))) as DaemonError;
  expect(fault.message).toContain(`pid ${process.pid}`);
  await store.close();
});

test("commands that only look work beside the process that holds the file", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  await using holder = startFixture("hold-store", path, ADDRESS);
  expect([await holder.line(), await holder.line()]).toEqual(["opening", "open"]);
  expect((await describeDatabase(path)).schemaVersion).toBeGreaterThan(0);
  expect((await checkDatabase(path)).problems).toEqual([]);
});
