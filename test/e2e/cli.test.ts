/** The command line against a real daemon: every command, every exit code. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { type CommandOptions, type CommandResult, environment, runCommand } from "../support/run-command.ts";
import { spawnDaemon, type SpawnedDaemon } from "../support/spawn-daemon.ts";
import { createTestCertificate } from "../support/test-certificate.ts";
import { tempDir } from "../support/temp-dir.ts";

// Each step is a process of its own.
setDefaultTimeout(60_000);

let daemon: SpawnedDaemon;
const workers: RunningCommand[] = [];

beforeAll(async () => {
  daemon = await spawnDaemon();
  workers.push(await startWork("demo:shell:upper", ["tr", "a-z", "A-Z"]));
  workers.push(await startWork("demo:shell:fails", ["sh", "-c", "echo out of paper >&2; exit 3"]));
});

afterAll(async () => {
  for (const worker of workers) worker.kill();
  await daemon[Symbol.asyncDispose]();
});

/** Runs `reseolio` with the suite's daemon as its address. */
function cli(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand([...reseolioCommand(), ...args], {
    ...options,
    env: { RESEOLIO_ADDR: daemon.address, ...options.env },
  });
}

/** The same, exit code 0 expected; returns stdout without its last newline. */
async function ok(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await cli(args, options);
  if (exitCode !== 0) throw new Error(`reseolio ${args.join(" ")}: exit code ${exitCode}\n${stdout}${stderr}`);
  return stdout.trimEnd();
}

interface RunningCommand {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the output so far holds the text. */
  said(text: string): Promise<void>;
  readonly exited: Promise<number | null>;
  kill(): void;
}

/** A command that goes on in the background. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCommand {
  const [file = "", ...leading] = reseolioCommand();
  const child = spawn(file, [...leading, ...args], {
    env: environment({ RESEOLIO_ADDR: daemon.address, ...env }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const state = { stdout: "", stderr: "" };
  const waiting: (() => void)[] = [];
  const note = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    state[stream] += chunk.toString();
    for (const check of waiting) check();
  };
  child.stdout.on("data", note("stdout"));
  child.stderr.on("data", note("stderr"));
  return {
    child,
    get stdout() {
      return state.stdout;
    },
    get stderr() {
      return state.stderr;
    },
    said: (text) => {
      const seen = Promise.withResolvers<void>();
      const check = (): void => {
        if ((state.stdout + state.stderr).includes(text)) seen.resolve();
      };
      waiting.push(check);
      check();
      void exited.then(() =>
        seen.reject(new Error(`it ended without saying ${JSON.stringify(text)}\n${state.stdout}${state.stderr}`)),
      );
      return seen.promise;
    },
    exited,
    kill: () => void child.kill("SIGKILL"),
  };
}

async function startWork(
  name: string,
  command: readonly string[],
  flags: readonly string[] = [],
): Promise<RunningCommand> {
  const worker = start(["work", name, ...flags, "--", ...command]);
  await worker.said("serving ");
  return worker;
}

const UNKNOWN_ID = "019aa6cf-8e4b-7d2a-8000-000000000001";

describe("from a shell alone", () => {
  test("enqueue --wait prints the result and exits 0", async () => {
    const result = await cli(["jobs", "enqueue", "demo:shell:upper", "--args", '["hello"]', "--wait"]);
    expect(result).toMatchObject({ stdout: '["HELLO"]\n', stderr: "", exitCode: 0 });
  });

  test("a failing command exits 7, with its error on stderr", async () => {
    const { exitCode, stdout, stderr } = await cli([
      "jobs",
      "enqueue",
      "demo:shell:fails",
      "--max-attempts",
      "1",
      "--wait",
    ]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: "" });
    expect(stderr).toContain("is DEAD: CommandError: sh exited with code 3: out of paper");
    expect(stderr).toContain("reseolio jobs retry ");
  });

  test("no daemon exits 5 with a sentence that says how to start one", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const { exitCode, stderr } = await cli(["jobs", "enqueue", "demo:shell:upper", "--addr", address]);
    expect(exitCode).toBe(5);
    expect(stderr).toContain(`no daemon answers at ${address}`);
    expect(stderr).toContain("start one with: reseolio serve");
  });

  test("a worker that starts before its daemon waits for it", async () => {
    await using dir = await tempDir();
    const address = `127.0.0.1:${await freePort()}`;
    const env = { RESEOLIO_ADDR: address };
    const worker = start(["work", "late:upper", "--", "tr", "a-z", "A-Z"], env);
    const serving = start(["serve", "--db", dir.file("late.db")], env);
    try {
      await serving.said("listening");
      expect(await ok(["jobs", "enqueue", "late:upper", "--args", '["x"]', "--wait"], { env })).toBe('["X"]');
      await worker.said("serving late:upper");
    } finally {
      worker.kill();
      serving.kill();
      await Promise.all([worker.exited, serving.exited]);
    }
  });
});

describe("jobs enqueue", () => {
  test("prints the id alone, and with --json what became of it", async () => {
    const id = await ok(["jobs", "enqueue", "quiet:one"]);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const json = JSON.parse(await ok(["jobs", "enqueue", "quiet:one", "--json"])) as Record<string, unknown>;
    expect(Object.keys(json)).toEqual(["jobId", "functionName", "deduplicated", "argsDiffer", "state"]);
  });

  test("every option reaches the job", async () => {
    const id = await ok([
      ...["jobs", "enqueue", "options:all", "--args", '[{"big":12345678901234567890}]'],
      ...["--max-attempts", "7", "--backoff", "linear", "--initial-delay", "1.5s", "--max-delay", "2m"],
      ...["--jitter", "0", "--timeout", "1h", "--run-at", "2099-01-01T00:00:00Z", "--priority", "-3"],
      ...["--start-within", "1d", "--finish-within", "2d", "--idempotency-key", "all", "--header", "team=a=b"],
      ...["--header", "x=y"],
    ]);
    const text = await ok(["jobs", "get", id, "--json"]);
    // The daemon never reads arguments: every digit is kept.
    expect(text).toContain("12345678901234567890");
    const job = JSON.parse(text) as Record<string, unknown>;
    expect(job).toMatchObject({
      state: "PENDING",
      runAt: "2099-01-01T00:00:00.000Z",
      options: {
        maxAttempts: 7,
        backoff: "linear",
        initialDelayMs: 1_500,
        maxDelayMs: 120_000,
        jitter: 0,
        timeoutMs: 3_600_000,
        priority: -3,
        idempotencyKey: "all",
        headers: { team: "a=b", x: "y" },
      },
    });
    const created = Date.parse(job["createdAt"] as string);
    expect(Date.parse(job["startBy"] as string) - created).toBe(86_400_000);
    expect(Date.parse(job["finishBy"] as string) - created).toBe(2 * 86_400_000);
  });

  test("arguments come from a file and from stdin", async () => {
    await using dir = await tempDir();
    writeFileSync(dir.file("args.json"), '["file"]\n');
    expect(await ok(["jobs", "enqueue", "demo:shell:upper", "--args", `@${dir.file("args.json")}`, "--wait"])).toBe(
      '["FILE"]',
    );
    const stdin = '["stdin"]';
    expect(await ok(["jobs", "enqueue", "demo:shell:upper", "--args", "-", "--wait"], { stdin })).toBe('["STDIN"]');
  });

  test("P3 a key gives the same job, warns about other arguments, and exits 8 when told to reject", async () => {
    const call = ["jobs", "enqueue", "keys:one", "--idempotency-key", "k1"];
    const first = await ok(call);
    const again = await cli([...call, "--args", "[1]"]);
    expect(again.stdout.trim()).toBe(first);
    expect(again.stderr).toContain("already exists: it is PENDING, with different arguments");
    const rejected = await cli([...call, "--on-duplicate", "reject"]);
    expect(rejected.exitCode).toBe(8);
    expect(rejected.stderr).toContain(first);
  });

  test("--wait-timeout exits 6 and leaves the job alone", async () => {
    const { exitCode, stderr } = await cli(["jobs", "enqueue", "nobody:serves", "--wait", "--wait-timeout", "100ms"]);
    expect(exitCode).toBe(6);
    const id = /job ([0-9a-f-]{36}) did not finish within 100ms; it continues/.exec(stderr)?.[1] ?? "";
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({ state: "PENDING" });
  });

  test("a wait that takes long says what holds the job back", async () => {
    const waiting = start(["jobs", "enqueue", "nobody:waits", "--wait"]);
    await waiting.said("still waiting: ");
    expect(waiting.stderr).toContain("nobody:waits");
    waiting.kill();
    expect(await waiting.exited).toBe(null);
  });

  test("Ctrl-C exits 130, says that the job goes on, and it does", async () => {
    const waiting = start(["jobs", "enqueue", "nobody:interrupted", "--wait"]);
    const id = await pollFor(async () => await ok(["jobs", "list", "-f", "nobody:interrupted", "-q"]));
    waiting.child.kill("SIGINT");
    expect(await waiting.exited).toBe(130);
    expect(waiting.stderr).toContain(`interrupted; job ${id} continues`);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({ state: "PENDING" });
  });
});

describe("P2 an answer that was lost", () => {
  test("is asked for again with the same id: one job is stored, and its id is printed", async () => {
    await using network = await swallowFirstAnswer();
    const enqueuing = start(["jobs", "enqueue", "lost:answer", "--addr", network.address]);
    const stored = await pollFor(async () => await ok(["jobs", "list", "-f", "lost:answer", "-q"]));
    network.cut();
    expect(await enqueuing.exited).toBe(0);
    expect(enqueuing.stdout.trim()).toBe(stored);
    expect(await ok(["jobs", "list", "-f", "lost:answer", "-q"])).toBe(stored);
  });
});

/** A network that delivers nothing of the daemon's on its first connection, and everything later. */
async function swallowFirstAnswer(): Promise<AsyncDisposable & { readonly address: string; cut(): void }> {
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const upstream = connect(daemon.port, "127.0.0.1");
    for (const socket of [client, upstream]) socket.on("error", () => {});
    const isFirst = sockets.length === 0;
    sockets.push(client, upstream);
    client.pipe(upstream);
    if (isFirst) upstream.resume();
    else upstream.pipe(client);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${port}`,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("jobs enqueue --jsonl", () => {
  test("stores every sound line, names the others by number, exits 1", async () => {
    const lines = [
      `{"function":"lines:a","args":[1]}`,
      ``,
      `{"function":"lines:a","args":{}}`,
      `{"function":"lines:a","opts":{}}`,
      `not json`,
      `{"args":[2],"options":{"priority":4,"headers":{"a":"b"}}}`,
      `{"function":"lines:a","options":{"maxAttempts":0}}`,
    ];
    const { exitCode, stdout, stderr } = await cli(["jobs", "enqueue", "lines:default", "--jsonl", "-"], {
      stdin: lines.join("\r\n"),
    });
    expect(exitCode).toBe(1);
    expect(stdout.trim().split("\n")).toHaveLength(2);
    for (const number of [3, 4, 5, 7]) expect(stderr).toContain(`line ${number}: `);
    expect(stderr).toContain("4 lines failed; enqueued 2 jobs");
    const [second] = (await ok(["jobs", "list", "-f", "lines:default", "-q"])).split("\n");
    expect(JSON.parse(await ok(["jobs", "get", second ?? "", "--json"]))).toMatchObject({
      args: [2],
      options: { priority: 4, headers: { a: "b" } },
    });
  });

  test("--json tells of every line in one document", async () => {
    const { stdout, stderr, exitCode } = await cli(["jobs", "enqueue", "--jsonl", "-", "--json"], {
      stdin: `{"function":"lines:json"}\nnope\n`,
    });
    const { jobs } = JSON.parse(stdout) as { jobs: { line: number; jobId: string | null; error: unknown }[] };
    expect(jobs.map(({ line, jobId }) => [line, jobId === null])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(jobs[1]?.error).toMatchObject({ code: "usage" });
    expect(exitCode).toBe(1);
    expect(Object.keys((JSON.parse(stderr) as { error: object }).error)).toEqual(["code", "message", "hint"]);
  });

  test("many lines go in batches, and every job is there once", async () => {
    const lines = Array.from({ length: 2_500 }, (_, index) => `{"function":"lines:many","args":[${index}]}`);
    const ids = (await ok(["jobs", "enqueue", "--jsonl", "-"], { stdin: lines.join("\n") })).split("\n");
    expect(new Set(ids).size).toBe(2_500);
    const listed = (await ok(["jobs", "list", "-f", "lines:many", "--all", "-q"])).split("\n");
    expect(listed.toSorted()).toEqual(ids.toSorted());
  });

  test("a line is stored when it comes, not when a batch is full", async () => {
    const [file = "", ...leading] = reseolioCommand();
    const child = spawn(file, [...leading, "jobs", "enqueue", "--jsonl", "-"], {
      env: environment({ RESEOLIO_ADDR: daemon.address }),
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.stdin.write(`{"function":"lines:live"}\n`);
    const first = await new Promise<string>((resolve) =>
      child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim())),
    );
    expect(await ok(["jobs", "list", "-f", "lines:live", "-q"])).toBe(first);
    const exited = new Promise((resolve) => child.once("close", resolve));
    child.stdin.end();
    expect(await exited).toBe(0);
  });
});

describe("jobs list, get, result, explain", () => {
  test("filters by function, state and age; limits; gives the last page of all", async () => {
    for (let index = 0; index < 3; index++) await ok(["jobs", "enqueue", "list:three"]);
    const all = (await ok(["jobs", "list", "--function", "list:three", "-q"])).split("\n");
    expect(all).toHaveLength(3);
    // Newest first: ids of one process at a time go up.
    expect(all).toEqual(all.toSorted().toReversed());
    expect(await ok(["jobs", "list", "-f", "list:three", "--limit", "1", "-q"])).toBe(all[0] ?? "");
    expect(await ok(["jobs", "list", "-f", "list:three", "--state", "dead,success", "-q"])).toBe("");
    expect(await ok(["jobs", "list", "-f", "list:three", "--created-before", "1h", "-q"])).toBe("");
    expect(await ok(["jobs", "list", "-f", "list:three", "--created-after", "1h", "-q"])).toBe(all.join("\n"));
    expect(JSON.parse(await ok(["jobs", "list", "-f", "no:such", "--json"]))).toEqual({ jobs: [] });
  });

  test("a pipe gets tab-separated rows with whole ids and ISO times", async () => {
    await ok(["jobs", "enqueue", "list:tsv"]);
    const cells = (await ok(["jobs", "list", "-f", "list:tsv"])).split("\t");
    expect(cells[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(cells[1]).toBe("list:tsv");
    expect(cells[2]).toBe("PENDING");
    expect(new Date(cells[4] ?? "").toISOString()).toBe(cells[4] ?? "");
  });

  test("the first characters of an id are enough; an unknown one exits 3, no id at all exits 2", async () => {
    const id = await ok(["jobs", "enqueue", "list:prefix"]);
    expect(await ok(["jobs", "get", id.slice(0, 18), "-q"])).toBe(id);
    expect((await cli(["jobs", "get", UNKNOWN_ID])).exitCode).toBe(3);
    expect((await cli(["jobs", "get", UNKNOWN_ID.slice(0, 18)])).exitCode).toBe(3);
    expect((await cli(["jobs", "get", "mail:send"])).exitCode).toBe(2);
    expect((await cli(["jobs", "get"])).exitCode).toBe(2);
  });

  test("result prints what the handler gave; 1 before the end, 7 for a dead job, --wait waits", async () => {
    const done = await ok(["jobs", "enqueue", "demo:shell:upper", "--args", '["r"]']);
    expect(await ok(["jobs", "result", done, "--wait"])).toBe('["R"]');
    expect(await ok(["jobs", "result", done])).toBe('["R"]');
    const pending = await ok(["jobs", "enqueue", "nobody:result"]);
    const early = await cli(["jobs", "result", pending]);
    expect(early.exitCode).toBe(1);
    expect(early.stderr).toContain("is PENDING: it has no result yet\nuse --wait to wait for it");
    expect((await cli(["jobs", "result", pending, "--wait", "--wait-timeout", "50ms"])).exitCode).toBe(6);
    const dead = await ok(["jobs", "enqueue", "demo:shell:fails", "--max-attempts", "1"]);
    expect((await cli(["jobs", "result", dead, "--wait"])).exitCode).toBe(7);
    expect((await cli(["jobs", "result", UNKNOWN_ID])).exitCode).toBe(3);
    expect((await cli(["jobs", "result", UNKNOWN_ID, "--wait"])).exitCode).toBe(3);
  });

  test("explain says what holds a job back", async () => {
    const id = await ok(["jobs", "enqueue", "nobody:explain"]);
    const { summary, blockers } = JSON.parse(await ok(["jobs", "explain", id, "--json"])) as {
      summary: string;
      blockers: { kind: string }[];
    };
    expect(blockers[0]?.kind).toBe("no_worker");
    expect(await ok(["jobs", "explain", id])).toContain(summary);
    expect((await cli(["jobs", "explain", UNKNOWN_ID])).exitCode).toBe(3);
  });
});

describe("jobs wait", () => {
  test("takes ids from stdin, one row each, exits 0", async () => {
    const stdin = `{"function":"demo:shell:upper"}\n`.repeat(20);
    const ids = await ok(["jobs", "enqueue", "--jsonl", "-", "-q"], { stdin });
    const rows = (await ok(["jobs", "wait", "-"], { stdin: ids })).split("\n");
    expect(rows.map((row) => row.split("\t")[0] ?? "").toSorted()).toEqual(ids.split("\n").toSorted());
    expect(rows.every((row) => row.split("\t")[2] === "SUCCESS")).toBe(true);
  });

  test("exits 7 when one is dead, 3 for an unknown id, 6 when the time is over, 2 without ids", async () => {
    const good = await ok(["jobs", "enqueue", "demo:shell:upper"]);
    const dead = await ok(["jobs", "enqueue", "demo:shell:fails", "--max-attempts", "1"]);
    expect((await cli(["jobs", "wait", good, dead])).exitCode).toBe(7);
    expect((await cli(["jobs", "wait", UNKNOWN_ID])).exitCode).toBe(3);
    const pending = await ok(["jobs", "enqueue", "nobody:wait"]);
    expect((await cli(["jobs", "wait", pending, good, "--wait-timeout", "100ms"])).exitCode).toBe(6);
    expect((await cli(["jobs", "wait", "-"], { stdin: "" })).exitCode).toBe(2);
    expect((await cli(["jobs", "wait", "-"], { stdin: `${good}\nrubbish\n` })).stderr).toContain("line 2 of stdin");
  });
});

describe("P5 P10 acts on jobs", () => {
  test("cancel by id: 0, then 8 because it has ended, 3 when unknown", async () => {
    const id = await ok(["jobs", "enqueue", "acts:cancel"]);
    expect(await ok(["jobs", "cancel", id])).toBe(id);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({ state: "CANCELLED" });
    const again = await cli(["jobs", "cancel", id]);
    expect(again).toMatchObject({ exitCode: 8, stdout: "" });
    expect(again.stderr).toContain(`job ${id} is CANCELLED: only unfinished jobs can be cancelled`);
    expect((await cli(["jobs", "cancel", UNKNOWN_ID])).exitCode).toBe(3);
    expect((await cli(["jobs", "wait", id])).exitCode).toBe(7);
  });

  test("retry makes a dead job run again, delete removes an ended one for good", async () => {
    const id = await ok(["jobs", "enqueue", "demo:shell:fails", "--max-attempts", "1"]);
    await cli(["jobs", "wait", id]);
    expect(await ok(["jobs", "retry", id])).toBe(id);
    await cli(["jobs", "wait", id]);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({
      state: "DEAD",
      attempt: 2,
      failures: 1,
    });
    expect(await ok(["jobs", "delete", id])).toBe(id);
    expect((await cli(["jobs", "get", id])).exitCode).toBe(3);
    const pending = await ok(["jobs", "enqueue", "acts:delete"]);
    expect((await cli(["jobs", "delete", pending])).exitCode).toBe(8);
    expect((await cli(["jobs", "retry", pending])).exitCode).toBe(8);
  });

  test("by filter: refused off a terminal without --yes, --dry-run changes nothing, pages are followed", async () => {
    const stdin = `{"function":"acts:many"}\n`.repeat(1_200);
    await ok(["jobs", "enqueue", "--jsonl", "-"], { stdin });
    const refused = await cli(["jobs", "cancel", "-f", "acts:many"]);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("pass --yes to confirm, or --dry-run");
    const dry = await cli(["jobs", "cancel", "-f", "acts:many", "--dry-run"]);
    expect(dry.stdout.trim().split("\n")).toHaveLength(1_200);
    expect(dry.stderr).toContain("dry run: 1200 jobs would be cancelled");
    expect(await ok(["jobs", "list", "-f", "acts:many", "-s", "cancelled", "-q"])).toBe("");
    const done = await cli(["jobs", "cancel", "-f", "acts:many", "--yes"]);
    expect(done.stderr).toContain("1200 jobs cancelled");
    expect((await ok(["jobs", "list", "-f", "acts:many", "-s", "cancelled", "--all", "-q"])).split("\n")).toHaveLength(
      1_200,
    );
    expect(JSON.parse(await ok(["jobs", "delete", "-f", "acts:many", "--yes", "--json"]))).toMatchObject({
      jobIds: expect.any(Array),
    });
    expect(await ok(["jobs", "list", "-f", "acts:many", "-q"])).toBe("");
  });

  test("ids on stdin need --yes; what failed is counted and the others are done", async () => {
    const one = await ok(["jobs", "enqueue", "acts:stdin"]);
    const two = await ok(["jobs", "enqueue", "acts:stdin"]);
    await ok(["jobs", "cancel", two]);
    const stdin = `${one}\n${two}\n`;
    expect((await cli(["jobs", "cancel", "-"], { stdin })).exitCode).toBe(2);
    const done = await cli(["jobs", "cancel", "-", "--yes"], { stdin });
    expect(done).toMatchObject({ exitCode: 8, stdout: `${one}\n` });
    expect(done.stderr).toContain("; 1 cancelled");
  });

  test("nothing chosen, and choices that exclude each other, exit 2", async () => {
    for (const args of [[], [UNKNOWN_ID, "-s", "dead"], ["--all", "-s", "dead"], [UNKNOWN_ID, "--all"]]) {
      expect((await cli(["jobs", "cancel", ...args, "--yes"])).exitCode).toBe(2);
    }
  });
});

describe("jobs watch", () => {
  test("shows each change as it happens, and survives a restart of the daemon", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const watch = start(["jobs", "watch", "--jsonl"], env);
    // Nothing of the past is shown: only when a change is seen is the watch known to be there.
    const first = await pollFor(async () => {
      await ok(["jobs", "enqueue", "watch:before"], { env });
      return watch.stdout;
    });
    expect(JSON.parse(first.split("\n")[0] ?? "")).toMatchObject({ functionName: "watch:before", state: "PENDING" });
    await own.restart();
    await watch.said("reconnected to the daemon");
    await pollFor(async () => {
      await ok(["jobs", "enqueue", "watch:after"], { env });
      return watch.stdout.includes("watch:after") ? watch.stdout : "";
    });
    watch.child.kill("SIGINT");
    expect(await watch.exited).toBe(130);
  });

  test("without a daemon exits 5 at once", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    expect((await cli(["jobs", "watch", "--addr", address])).exitCode).toBe(5);
  });
});

describe("P16 a wait through a restart", () => {
  test("enqueue --wait gets its result from the next daemon", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const waiting = start(["jobs", "enqueue", "restart:upper", "--args", '["again"]', "--wait"], env);
    await pollFor(async () => await ok(["jobs", "list", "-q"], { env }));
    await own.kill();
    await own.restart();
    const worker = start(["work", "restart:upper", "--", "tr", "a-z", "A-Z"], env);
    try {
      expect(await waiting.exited).toBe(0);
      expect(waiting.stdout).toBe('["AGAIN"]\n');
    } finally {
      worker.kill();
      await worker.exited;
    }
  });
});

describe("work", () => {
  test("exit code 75 requested another attempt, --retry-after says when", async () => {
    await using dir = await tempDir();
    const script = `test -e ${dir.file("there")} && exec echo '"second"'; touch ${dir.file("there")}; exit 75`;
    const worker = await startWork("work:later", ["sh", "-c", script], ["--retry-after", "50ms"]);
    try {
      expect(await ok(["jobs", "enqueue", "work:later", "--initial-delay", "1h", "--max-delay", "1h", "--wait"])).toBe(
        '"second"',
      );
      await worker.said("requested another attempt");
    } finally {
      worker.kill();
    }
  });

  test("every digit of the arguments reaches the command, and every digit of its result the caller", async () => {
    const worker = await startWork("work:digits", ["cat"]);
    try {
      const args = '[12345678901234567890,{"id":9007199254740993},1e400]';
      expect(await ok(["jobs", "enqueue", "work:digits", "--args", args, "--wait"])).toBe(args);
    } finally {
      worker.kill();
    }
  });

  test("P10 a cancelled job's command is told to stop", async () => {
    const worker = await startWork("work:cancel", [
      "sh",
      "-c",
      "trap 'echo got it >&2; exit 1' TERM; echo up >&2; while :; do sleep 0.02; done",
    ]);
    try {
      const id = await ok(["jobs", "enqueue", "work:cancel"]);
      await worker.said(`${id.slice(0, 18)} | up`);
      await ok(["jobs", "cancel", id]);
      await worker.said(`${id.slice(0, 18)} | got it`);
      expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({ state: "CANCELLED" });
    } finally {
      worker.kill();
    }
  });

  test("P9 an attempt past its time is stopped and counted", async () => {
    const worker = await startWork("work:slow", ["sleep", "60"]);
    try {
      const { exitCode, stderr } = await cli([
        ...["jobs", "enqueue", "work:slow", "--timeout", "200ms", "--max-attempts", "1", "--wait"],
      ]);
      expect(exitCode).toBe(7);
      expect(stderr).toContain("TimeoutError");
    } finally {
      worker.kill();
    }
  });

  test("P17 SIGTERM hands back what does not end in the grace, exits 0, and leaves no command behind", async () => {
    await using dir = await tempDir();
    const script = `trap '' TERM; echo $$ > ${dir.file("pid")}; echo up >&2; while :; do sleep 0.02; done`;
    const worker = await startWork("work:drain", ["sh", "-c", script], ["--grace", "50ms"]);
    const id = await ok(["jobs", "enqueue", "work:drain"]);
    await worker.said("| up");
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({
      state: "PENDING",
      failures: 0,
      losses: 0,
    });
    expect(isAlive(Number(readFileSync(dir.file("pid"), "utf8")))).toBe(false);
  });

  test("P17 a command that ends within the grace is settled", async () => {
    const worker = await startWork("work:finish", ["sh", "-c", "echo up >&2; sleep 0.3; echo '\"done\"'"]);
    const id = await ok(["jobs", "enqueue", "work:finish"]);
    await worker.said("| up");
    worker.child.kill("SIGINT");
    expect(await worker.exited).toBe(0);
    expect(await ok(["jobs", "result", id])).toBe('"done"');
  });

  test("P17 a second signal stops at once", async () => {
    await using dir = await tempDir();
    const script = `echo $$ > ${dir.file("pid")}; echo up >&2; trap '' TERM; while :; do sleep 0.05; done`;
    const worker = await startWork("work:twice", ["sh", "-c", script]);
    await ok(["jobs", "enqueue", "work:twice"]);
    await worker.said("| up");
    worker.child.kill("SIGTERM");
    await worker.said("stopping");
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(143);
    await pollFor(() => Promise.resolve(isAlive(Number(readFileSync(dir.file("pid"), "utf8"))) ? "" : "gone"));
  });

  test("a worker goes on with the next daemon", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const worker = start(["work", "work:again", "--", "tr", "a-z", "A-Z"], env);
    try {
      await worker.said("serving ");
      await own.restart();
      await worker.said("reconnected to the daemon");
      expect(await ok(["jobs", "enqueue", "work:again", "--args", '["b"]', "--wait"], { env })).toBe('["B"]');
    } finally {
      worker.kill();
      await worker.exited;
    }
  });

  test("a program that is not there, no program and no name exit 2 before any connection", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    for (const args of [["a:b", "--", "no-such-program"], ["a:b", "--"], ["a:b"], []]) {
      expect((await cli(["work", ...args, ...(args.includes("--") ? [] : ["--addr", address])])).exitCode).toBe(2);
    }
  });
});

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

/** The executable as words of a shell's line. */
function shellCommand(): string {
  return reseolioCommand()
    .map((word) => `'${word}'`)
    .join(" ");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // One that waits to be reaped is dead.
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** Asks again until there is an answer: for what other processes do in their own time. */
async function pollFor(ask: () => Promise<string>): Promise<string> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const answer = await ask();
    if (answer !== "") return answer;
    if (performance.now() > deadline) throw new Error("there was no answer within 15 s");
    await Bun.sleep(10);
  }
}
