/** The daemon that the SDK starts by itself: the real one. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Logger } from "../../src/sdk/logger.ts";
import type { ReseolioOptions } from "../../src/sdk/reseolio-options.ts";
import { Reseolio } from "../../src/sdk/reseolio.ts";
import { createClient } from "../../src/sdk/transport/client.ts";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { testDatabase } from "../support/postgres-database.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { faultOf, until } from "../unit/sdk/waiting.ts";

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const started = new Set<string>();

/** Daemons linger; the tests do not wait for that. */
afterAll(async () => {
  for (const address of started) {
    const pid = await daemonPid(address).catch(() => undefined);
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  }
});

async function daemonPid(address: string): Promise<number> {
  const client = createClient({ address });
  try {
    return (await client.daemon.getInfo({}, { timeoutMs: 2_000 })).pid;
  } finally {
    client.close();
  }
}

/** An executable that does what a shell script says. */
function script(dir: TempDir, name: string, lines: string): string {
  writeFileSync(dir.file(name), `#!/bin/sh\n${lines}\n`);
  chmodSync(dir.file(name), 0o755);
  return dir.file(name);
}

function reseolio(dir: TempDir, before = ""): string {
  const command = reseolioCommand()
    .map((word) => `'${word}'`)
    .join(" ");
  return script(dir, "reseolio", `${before}\nexec ${command} "$@"`);
}

async function world(dir: TempDir, more: ReseolioOptions = {}): Promise<ReseolioOptions> {
  const address = `127.0.0.1:${await freePort()}`;
  started.add(address);
  return { address, storage: dir.file("jobs.db"), coreBinaryPath: reseolio(dir), logger: quiet, ...more };
}

describe("autoStart", () => {
  test("starts one daemon for two apps that come at once, on the storage they named", async () => {
    await using dir = await tempDir("reseolio-auto-");
    const options = await world(dir);
    await using one = new Reseolio(options);
    await using two = new Reseolio(options);
    const run = two.durable("t:run", (text: string) => text.toUpperCase());
    await Promise.all([one.start(), two.start()]);
    const handle = await one.enqueue(run.functionName, ["hi"]);
    expect(await handle.result(10_000)).toBe("HI");
    expect(existsSync(dir.file("jobs.db"))).toBe(true);
    expect(existsSync(dir.file("jobs.db.log"))).toBe(true);
  });

  test("starts it again when it dies while the app lives, and the app goes on", async () => {
    await using dir = await tempDir("reseolio-auto-");
    const options = await world(dir);
    await using client = new Reseolio(options);
    const run = client.durable("t:run", async (value: number) => value + 1);
    await client.start();
    expect(await (await run(1)).result(10_000)).toBe(2);
    const pid = await daemonPid(String(options.address));
    process.kill(pid, "SIGKILL");
    expect(await (await run(2)).result(20_000)).toBe(3);
    expect(await daemonPid(String(options.address))).not.toBe(pid);
  });

  test("on PostgreSQL: two clients share the daemon that one of them started, and its address is in no argument", async () => {
    await using dir = await tempDir("reseolio-auto-");
    await using database = await testDatabase();
    const storage = `${database.url}?schema=started`;
    const options = { ...(await world(dir)), storage };
    await using first = new Reseolio(options);
    await using second = new Reseolio(options);
    const run = first.durable("t:run", async (value: number) => value + 1);
    await first.start();
    await second.start();
    const job = await run(1);
    expect(await second.handle<number>(job.jobId).result(10_000)).toBe(2);
    const pid = await daemonPid(String(options.address));
    if (existsSync(`/proc/${pid}/cmdline`)) {
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("postgres:");
    }
    const other = new Reseolio({ ...options, storage: `${database.url}?schema=another` });
    expect(await faultOf(other.start())).toMatchObject({ code: "storage_mismatch" });
  }, 60_000);

  test("waits for a daemon that is just leaving the file, and starts its own then", async () => {
    await using dir = await tempDir("reseolio-auto-");
    const options = await world(dir);
    await using leaving = await spawnDaemon({ db: dir.file("jobs.db") });
    await using client = new Reseolio(options);
    const starting = client.start();
    await until(
      () => existsSync(dir.file("jobs.db.log")) && readFileSync(dir.file("jobs.db.log"), "utf8").includes("in use"),
    );
    await leaving.kill();
    await starting;
    expect((await client.enqueue("t:run")).jobId).toBeString();
  });

  test("a file that another daemon keeps is an error that names that daemon", async () => {
    await using dir = await tempDir("reseolio-auto-");
    await using other = await spawnDaemon({ db: dir.file("jobs.db") });
    const client = new Reseolio(await world(dir));
    const error = await faultOf(client.start());
    expect(error).toMatchObject({ code: "daemon_start" });
    expect(String(error)).toContain(other.address);
  });

  test("does not replace a daemon that somebody else keeps up", async () => {
    await using dir = await tempDir("reseolio-auto-");
    await using daemon = await spawnDaemon();
    const mark = dir.file("was-started");
    const options = { address: daemon.address, storage: daemon.db, logger: quiet, callTimeoutMs: 1_500 };
    await using client = new Reseolio({ ...options, coreBinaryPath: reseolio(dir, `touch '${mark}'`) });
    await client.start();
    await daemon.kill();
    expect(await faultOf(client.enqueue("t:run"))).toMatchObject({ code: "connection" });
    expect(existsSync(mark)).toBe(false);
    const reconnected = new Promise<void>((resolve) => client.once("reconnected", () => resolve()));
    await daemon.restart();
    await reconnected;
    expect((await client.enqueue("t:run")).jobId).toBeString();
  });

  test("a daemon that ends at once is an error with what it said", async () => {
    await using dir = await tempDir("reseolio-auto-");
    const coreBinaryPath = script(dir, "broken", "echo 'error: the disk is on fire' >&2\nexit 3");
    const client = new Reseolio({ ...(await world(dir)), coreBinaryPath });
    const startedAt = performance.now();
    const error = await client.start().catch((fault: unknown) => fault);
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    expect(error).toMatchObject({ code: "daemon_start" });
    expect(String(error)).toContain("exit code 3");
    expect(String(error)).toContain("the disk is on fire");
    expect(String(error)).toContain("jobs.db.log");
  });

  test("a daemon on another storage is an error that names both, and nothing is started", async () => {
    await using dir = await tempDir("reseolio-auto-");
    await using daemon = await spawnDaemon();
    const client = new Reseolio({ ...(await world(dir)), address: daemon.address });
    const error = await client.start().catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: "storage_mismatch" });
    expect(String(error)).toContain(daemon.db);
    expect(String(error)).toContain(dir.file("jobs.db"));
    expect(existsSync(dir.file("jobs.db"))).toBe(false);
  });

  test("passes the token by the environment, but no BUN_ variables", async () => {
    await using dir = await tempDir("reseolio-auto-");
    const options = await world(dir);
    const seen = dir.file("seen");
    const coreBinaryPath = reseolio(dir, `env > '${seen}'\necho "$@" > '${dir.file("argv")}'`);
    process.env["BUN_TEST_LEAK"] = "1";
    await using client = new Reseolio({ ...options, coreBinaryPath, token: "secret-token-of-the-test" });
    await client.start().finally(() => delete process.env["BUN_TEST_LEAK"]);
    const environment = readFileSync(seen, "utf8");
    expect(environment).toContain("RESEOLIO_TOKEN=secret-token-of-the-test");
    expect(environment).not.toContain("BUN_");
    expect(readFileSync(dir.file("argv"), "utf8")).not.toContain("secret");
    expect((await client.enqueue("t:run")).jobId).toBeString();
  });

  test("a wrong token is refused at once, not tried for ever", async () => {
    await using daemon = await spawnDaemon({ env: { RESEOLIO_TOKEN: "the-right-token-of-the-daemon" } });
    const client = new Reseolio({ address: daemon.address, autoStart: false, token: "another-token", logger: quiet });
    const startedAt = performance.now();
    expect(await faultOf(client.start())).toMatchObject({ code: "unauthenticated" });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
