/** A daemon from a shell: served, examined, asked for a token, reached by TLS; and its database. */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { freePort } from "../support/free-port.ts";
import { shellOfFile } from "../support/shell.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { createTestCertificate } from "../support/test-certificate.ts";

const { daemon, cli, ok, start } = shellOfFile();

describe("what is there", () => {
  test("workers list, functions list and status agree", async () => {
    await ok(["jobs", "enqueue", "demo:shell:upper", "--wait"]);
    const { workers } = JSON.parse(await ok(["workers", "list", "--json"])) as {
      workers: { functionNames: string[]; state: string }[];
    };
    expect(workers.find((worker) => worker.functionNames.includes("demo:shell:upper"))).toMatchObject({
      state: "connected",
    });
    const { functions } = JSON.parse(await ok(["functions", "list", "--json"])) as {
      functions: { functionName: string; workers: number }[];
    };
    expect(functions.find((one) => one.functionName === "demo:shell:upper")).toMatchObject({
      workers: 1,
      freeSlots: 10,
    });
    expect(await ok(["functions", "list", "-q"])).toContain("demo:shell:upper");
    expect(JSON.parse(await ok(["status", "--json"]))).toMatchObject({
      address: daemon.address,
      pid: daemon.pid,
      storage: { kind: "sqlite" },
      maxConcurrent: 100,
    });
  });

  test("doctor says what is wrong and how to fix it, and exits with 1; with 0 if all is well", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const well = await cli(["doctor"], { env });
    expect(well.exitCode).toBe(0);
    expect(well.stderr).toContain("no problems found");
    await ok(["jobs", "enqueue", "doctor:nobody"], { env });
    chmodSync(own.db, 0o644);
    const ill = await cli(["doctor", "--json"], { env });
    expect(ill.exitCode).toBe(1);
    const { findings } = JSON.parse(ill.stdout) as { findings: { check: string; ok: boolean; fix: string | null }[] };
    const wrong = findings.filter((finding) => !finding.ok);
    expect(wrong.map((finding) => finding.check)).toEqual(["workers", "file modes"]);
    expect(wrong.every((finding) => finding.fix !== null)).toBe(true);
  });

  test("doctor without a daemon says so and looks at the file", async () => {
    await using dir = await tempDir();
    const address = `127.0.0.1:${await freePort()}`;
    const { exitCode, stdout } = await cli(["doctor", "--addr", address, "--db", dir.file("none.db")]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("wrong\tdaemon\tno daemon answers");
    expect(stdout).toContain("wrong\tstorage\t");
  });
});

describe("db", () => {
  test("stats, check and backup work beside the daemon; the copy opens", async () => {
    await using dir = await tempDir();
    const env = { RESEOLIO_DB: daemon.db };
    expect(JSON.parse(await ok(["db", "stats", "--json"], { env }))).toMatchObject({
      jobs: { SUCCESS: expect.any(Number) },
    });
    expect(JSON.parse(await ok(["db", "check", "--json"], { env }))).toMatchObject({ problems: [] });
    const copy = dir.file("copy.db");
    expect((await cli(["db", "backup", copy], { env })).exitCode).toBe(0);
    expect(existsSync(copy)).toBe(true);
    expect((await cli(["db", "backup", copy], { env })).exitCode).toBe(8);
    expect((await cli(["db", "check", "--db", copy])).exitCode).toBe(0);
    expect((await cli(["db", "migrate", "--db", copy])).stderr).toContain("is up to date");
  });

  test("migrate is refused while a daemon serves the file", async () => {
    const { exitCode, stderr } = await cli(["db", "migrate", "--db", daemon.db]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(String(daemon.pid));
  });

  test("a missing file exits 3, a file that is not SQLite exits 1, a nonsense URL exits 2", async () => {
    await using dir = await tempDir();
    writeFileSync(dir.file("text.db"), "this is not a database, it is a long enough text");
    expect((await cli(["db", "stats", "--db", dir.file("none.db")])).exitCode).toBe(3);
    expect((await cli(["db", "check", "--db", dir.file("text.db")])).exitCode).toBe(1);
    expect((await cli(["db", "stats", "--db", "mysql://x"])).exitCode).toBe(2);
  });
});

describe("serve", () => {
  test("every wrong setting is told at once, exit 2", async () => {
    const { exitCode, stderr } = await cli([
      "serve",
      "--lease",
      "soon",
      "--max-concurrent",
      "-1",
      "--log-level",
      "loud",
    ]);
    expect(exitCode).toBe(2);
    for (const part of ['--lease is "soon"', '--max-concurrent is "-1"', '--log-level is "loud"'])
      expect(stderr).toContain(part);
  });

  test("P18 a file that is served, and a port that is taken, exit 1 with one sentence", async () => {
    await using dir = await tempDir();
    const locked = await cli(["serve", "--db", daemon.db, "--addr", "127.0.0.1:0"]);
    expect(locked.exitCode).toBe(1);
    expect(locked.stderr).toContain(String(daemon.pid));
    const squatter = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => squatter.once("listening", resolve));
    const { port } = squatter.address() as AddressInfo;
    const taken = await cli(["serve", "--db", dir.file("a.db"), "--addr", `127.0.0.1:${port}`]);
    squatter.close();
    expect(taken.exitCode).toBe(1);
    expect(taken.stderr).toContain(`127.0.0.1:${port}`);
    expect(taken.stderr).not.toContain("    at ");
  });

  test("P17 SIGTERM and SIGINT drain and exit 0", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using own = await spawnDaemon();
      own.signal(signal);
      expect(await own.exited()).toEqual({ exitCode: 0, signal: null });
    }
  });

  test("SIGHUP does not end a daemon without a terminal", async () => {
    await using own = await spawnDaemon();
    own.signal("SIGHUP");
    expect(await ok(["status", "-q"], { env: { RESEOLIO_ADDR: own.address } })).not.toBe("");
  });
});

describe("a token", () => {
  test("is asked for: none or a wrong one exits 4, from a file or the environment exits 0; it is never shown", async () => {
    await using dir = await tempDir();
    const token = "canary-token-0123456789";
    await using own = await spawnDaemon({ env: { RESEOLIO_TOKEN: token } });
    const env = { RESEOLIO_ADDR: own.address };
    writeFileSync(dir.file("token"), `${token}\n`, { mode: 0o600 });
    const none = await cli(["status"], { env });
    expect(none.exitCode).toBe(4);
    expect(none.stderr).toContain("--token-file or RESEOLIO_TOKEN");
    expect((await cli(["status"], { env: { ...env, RESEOLIO_TOKEN: "wrong" } })).exitCode).toBe(4);
    expect((await cli(["status"], { env: { ...env, RESEOLIO_TOKEN: token } })).exitCode).toBe(0);
    const good = await cli(["status", "--token-file", dir.file("token")], { env });
    expect(good.exitCode).toBe(0);
    expect(good.stdout + good.stderr + own.logs).not.toContain(token);
  });
});

describe("TLS", () => {
  test("--tls-ca trusts the daemon's authority; without it the command fails and says why", async () => {
    await using dir = await tempDir();
    const { cert, key } = createTestCertificate();
    writeFileSync(dir.file("cert.pem"), cert);
    writeFileSync(dir.file("key.pem"), key, { mode: 0o600 });
    const address = `127.0.0.1:${await freePort()}`;
    const tls = ["--tls-cert", dir.file("cert.pem"), "--tls-key", dir.file("key.pem")];
    const serving = start(["serve", "--db", dir.file("tls.db"), "--addr", address, ...tls]);
    try {
      await serving.said("listening");
      const env = { RESEOLIO_ADDR: address };
      expect(await ok(["status", "--json", "--tls-ca", dir.file("cert.pem")], { env })).toContain("sqlite");
      expect(await ok(["status", "-q"], { env: { ...env, RESEOLIO_TLS_CA: dir.file("cert.pem") } })).not.toBe("");
      const untrusted = await cli(["status", "--tls"], { env });
      expect(untrusted.exitCode).toBe(5);
      expect(untrusted.stderr).toMatch(/certificate|self.signed/i);
      expect((await cli(["status", "--tls-ca", dir.file("none.pem")], { env })).exitCode).toBe(2);
    } finally {
      serving.kill();
      await serving.exited;
    }
  });
});
