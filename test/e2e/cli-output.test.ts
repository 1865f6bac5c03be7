/** What the command line writes, and what it makes of words: errors, help, pipes and completion. */
import { beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { runCommand } from "../support/run-command.ts";
import { shellOfFile, UNKNOWN_ID } from "../support/shell.ts";
import { tempDir } from "../support/temp-dir.ts";

const { daemon, cli, ok, startWork } = shellOfFile();

// More than a pipe holds, for the reader that leaves.
beforeAll(() => ok(["jobs", "enqueue", "--jsonl", "-"], { stdin: `{"function":"output:many"}\n`.repeat(2_500) }));

describe("words and output", () => {
  test("unknown flags and verbs are told before any connection, with a suggestion, exit 2", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const flag = await cli(["jobs", "list", "--addr", address, "--stat", "dead"]);
    expect(flag).toMatchObject({ exitCode: 2, stdout: "" });
    expect(flag.stderr).toContain("did you mean --state?");
    expect((await cli(["jobs", "lst"])).stderr).toContain("did you mean list?");
    expect((await cli(["jobs", "rm"])).stderr).toContain("did you mean delete?");
    expect((await cli(["stauts"])).stderr).toContain("did you mean status?");
    expect((await cli(["jobs"])).exitCode).toBe(2);
  });

  test("with --json an error is one document on stderr", async () => {
    const { stdout, stderr, exitCode } = await cli(["jobs", "get", UNKNOWN_ID, "--json"]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 3 });
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "not_found", message: expect.stringContaining(UNKNOWN_ID) },
    });
    const usage = await cli(["jobs", "get", "--json", "--wat"]);
    expect(JSON.parse(usage.stderr)).toMatchObject({ error: { code: "usage" } });
  });

  test("help is on stdout with exit 0, for every way to ask", async () => {
    for (const args of [
      [],
      ["--help"],
      ["help"],
      ["jobs", "--help"],
      ["jobs", "enqueue", "-h"],
      ["help", "jobs", "list"],
      ["help", "exit-codes"],
    ]) {
      const { stdout, stderr, exitCode } = await cli(args);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(stdout.length).toBeGreaterThan(50);
    }
  });

  test("version in three spellings", async () => {
    const version = await ok(["version"]);
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(await ok(["--version"])).toBe(version);
    expect(await ok(["-V"])).toBe(version);
    expect(JSON.parse(await ok(["version", "--json"]))).toMatchObject({ version });
  });

  test("control characters of a job never reach the output as they are, unless --raw", async () => {
    const evil = "\u001b]52;c;x\u0007\u009b2J\u202e";
    const id = await ok(["jobs", "enqueue", "evil:\u00e9", "--header", `h=${evil}`, "--args", JSON.stringify([evil])]);
    for (const args of [
      ["jobs", "get", id],
      ["jobs", "get", id, "--json"],
      ["jobs", "list", "-f", "evil:\u00e9"],
    ]) {
      expect(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/.test(await ok(args))).toBe(false);
    }
    expect(await ok(["jobs", "get", id, "--raw"])).toContain("\u202e");
  });

  test("a reader that leaves ends the output quietly", async () => {
    const command = shellCommand();
    const script = `${command} jobs list --all --jsonl | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await runCommand(["bash", "-c", script], { env: { RESEOLIO_ADDR: daemon.address } });
    const [row = "", status] = stdout.trim().split("\n");
    expect(JSON.parse(row)).toHaveProperty("jobId");
    expect(status).toBe("0");
    expect(stderr).toBe("");
  });

  test("a wait whose reader left does not go on for nobody", async () => {
    const ended = await ok(["jobs", "enqueue", "demo:shell:upper"]);
    await ok(["jobs", "wait", ended]);
    const pending = await ok(["jobs", "enqueue", "nobody:reads"]);
    const more = Array.from({ length: 3 }, () => ok(["jobs", "enqueue", "demo:shell:upper"]));
    const ids = [ended, ...(await Promise.all(more)), pending].join(" ");
    const script = `${shellCommand()} jobs wait ${ids} --jsonl --wait-timeout 20s | true; echo "\${PIPESTATUS[0]}"`;
    const { stdout } = await runCommand(["bash", "-c", script], { env: { RESEOLIO_ADDR: daemon.address } });
    expect(stdout).toBe("0\n");
  });

  test("a disk that is full is an error, not a short output", async () => {
    const script = `${shellCommand()} help work > /dev/full`;
    const { exitCode, stderr } = await runCommand(["bash", "-c", script]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("cannot write to stdout");
  });

  test("a large result comes whole through a slow pipe", async () => {
    const worker = await startWork("big:result", ["sh", "-c", "head -c 900000 /dev/zero | tr '\\0' x"]);
    try {
      const id = await ok(["jobs", "enqueue", "big:result"]);
      await ok(["jobs", "wait", id, "-q"]);
      const command = shellCommand();
      const script = `${command} jobs result ${id} | (sleep 0.3; wc -c)`;
      const { stdout } = await runCommand(["bash", "-c", script], { env: { RESEOLIO_ADDR: daemon.address } });
      expect(Number(stdout)).toBe(900_003);
    } finally {
      worker.kill();
    }
  });

  test("a daemon that is silent exits 6 after --call-timeout", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as AddressInfo;
    const { exitCode, stderr } = await cli(["status", "--addr", `127.0.0.1:${port}`, "--call-timeout", "300ms"]);
    silent.close();
    expect(exitCode).toBe(6);
    expect(stderr).toContain("did not answer within 300 ms");
  });
});

describe("completion", () => {
  test("bash completes verbs, flags, words of a flag and live function names", async () => {
    await using dir = await tempDir();
    const command = shellCommand();
    writeFileSync(dir.file("reseolio"), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    writeFileSync(dir.file("completion"), await ok(["completion", "bash"]));
    const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
      const line = words.map((word) => `'${word}'`).join(" ");
      const script = `source ${dir.file("completion")}; COMP_WORDS=(reseolio ${line}); COMP_CWORD=${words.length}; _reseolio; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const env = { RESEOLIO_ADDR: daemon.address, PATH: `${dir.path}:${process.env["PATH"]}` };
      return (await runCommand(["bash", "-c", script], { env })).stdout.trim().split("\n");
    };
    expect(await complete("jobs", "en")).toEqual(["enqueue"]);
    expect(await complete("jobs", "list", "--sta")).toEqual(["--state"]);
    expect(await complete("jobs", "enqueue", "x", "--backoff", "l")).toEqual(["linear"]);
    expect(await complete("jobs", "list", "--state", "d")).toEqual(["dead"]);
    expect(await complete("jobs", "enqueue", "demo:shell:u")).toEqual(["demo:shell:upper"]);
    expect(await complete("comp")).toEqual(["completion"]);
    await ok(["schedules", "create", "nightly", "-f", "demo:shell:upper", "--cron", "@yearly", "-q"]);
    expect(await complete("schedules", "get", "ni")).toEqual(["nightly"]);
    expect(await complete("jobs", "list", "--schedule", "ni")).toEqual(["nightly"]);
    expect(await complete("schedules", "create", "x", "--function", "demo:shell:u")).toEqual(["demo:shell:upper"]);
    expect(await complete("schedules", "list", "--state", "p")).toEqual(["paused"]);
    expect(await complete("schedules", "create", "x", "--overlap", "s")).toEqual(["skip"]);
  });

  test("every shell gets a script, another word exits 2", async () => {
    for (const shell of ["bash", "zsh", "fish"]) expect(await ok(["completion", shell])).toContain("reseolio");
    expect((await cli(["completion", "tcsh"])).exitCode).toBe(2);
  });
});

/** The executable as quoted words for a shell command. */
function shellCommand(): string {
  return reseolioCommand()
    .map((word) => `'${word}'`)
    .join(" ");
}
