/** Jobs enqueued from a shell: alone and by the thousand, waited for, and told what became of them. */
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { environment } from "../support/run-command.ts";
import { pollFor, shellOfFile } from "../support/shell.ts";
import { tempDir } from "../support/temp-dir.ts";

const { daemon, cli, ok, start } = shellOfFile();

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

/** A network that swallows the daemon's responses on the first connection, and delivers everything on later ones. */
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
