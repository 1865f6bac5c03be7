/** P18: two daemons never share one SQLite file. */
import { expect, test } from "bun:test";
import { link, mkdir, symlink } from "node:fs/promises";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { runCommand } from "../support/run-command.ts";
import type { CommandResult } from "../support/run-command.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

async function serve(db: string, cwd?: string): Promise<CommandResult> {
  const command = [...reseolioCommand(), "serve", "--db", db, "--addr", `127.0.0.1:${await freePort()}`];
  return runCommand(command, { timeoutMs: 15_000, ...(cwd === undefined ? {} : { cwd }) });
}

function expectRefused({ exitCode, stderr }: CommandResult, first: { pid: number; address: string }): void {
  expect(stderr).toContain("in use");
  expect(stderr).toContain(String(first.pid));
  expect(stderr).toContain(first.address);
  expect(exitCode).toBe(1);
}

test("P18: a second daemon on the same file refuses at start and names the first, by every name of the file", async () => {
  await using dir = await tempDir();
  await mkdir(dir.file("data"));
  await symlink(dir.file("data"), dir.file("data-link"));
  await using first = await spawnDaemon({ db: dir.file("data", "jobs.db") });
  await symlink(first.db, dir.file("link.db"));
  await symlink("link.db", dir.file("link-to-link.db"));
  const names = [
    first.db,
    `sqlite://${first.db}`,
    dir.file("data", "..", "data", "jobs.db"),
    dir.file("data-link", "jobs.db"),
    dir.file("link.db"),
    dir.file("link-to-link.db"),
  ];
  for (const name of names) expectRefused(await serve(name), first);
  expectRefused(await serve("sqlite://./jobs.db", dir.file("data")), first);
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
}, 60_000);

test("P18: nor does a hard link make two files of one", async () => {
  await using dir = await tempDir();
  await using first = await spawnDaemon({ db: dir.file("jobs.db") });
  await link(first.db, dir.file("hard.db"));
  const { exitCode, stderr } = await serve(dir.file("hard.db"));
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 1 });
}, 60_000);

test("P18: a link to a file that is not there yet is locked as the file it will be", async () => {
  await using dir = await tempDir();
  await symlink(dir.file("target.db"), dir.file("link.db"));
  await using first = await spawnDaemon({ db: dir.file("link.db") });
  expectRefused(await serve(dir.file("target.db")), first);
}, 60_000);

test("P18: the lock dies with its process: after kill -9 a new daemon starts at once", async () => {
  await using dir = await tempDir();
  await using first = await spawnDaemon({ db: dir.file("jobs.db") });
  await first.kill();
  const startedAt = performance.now();
  await using second = await spawnDaemon({ db: first.db });
  process.stderr.write(`P18: ready ${(performance.now() - startedAt).toFixed(0)} ms after the kill\n`);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expectRefused(await serve(first.db), second);
}, 60_000);

test("P18: of ten daemons started at once on one new file, one serves", async () => {
  await using dir = await tempDir();
  const db = dir.file("jobs.db");
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => spawnDaemon({ db, readyWithinMs: 15_000 })));
  const served = tries.filter((one) => one.status === "fulfilled").map((one) => one.value);
  await using stack = new AsyncDisposableStack();
  for (const daemon of served) stack.use(daemon);
  expect(served.length).toBe(1);
  const refused = tries.filter((one) => one.status === "rejected").map((one) => String(one.reason));
  expect(refused.filter((reason) => !reason.includes("in use"))).toEqual([]);
}, 60_000);

test("P18: a stopped daemon (SIGSTOP) still owns its file", async () => {
  await using dir = await tempDir();
  await using first = await spawnDaemon({ db: dir.file("jobs.db") });
  first.signal("SIGSTOP");
  expectRefused(await serve(first.db), first);
  first.signal("SIGCONT");
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
}, 60_000);
