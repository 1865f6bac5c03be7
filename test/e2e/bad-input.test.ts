/** P19: input that is malformed or too large gets a clear error with the right code, and nothing is half done. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { Reseolio } from "../../src/sdk/index.ts";
import type { JobOptions } from "../../src/sdk/index.ts";
import { reseolioCommand } from "../support/executable.ts";
import { freePort } from "../support/free-port.ts";
import { rejection } from "../support/rejection.ts";
import { runCommand } from "../support/run-command.ts";
import type { CommandResult } from "../support/run-command.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import type { SpawnedDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { TempDir } from "../support/temp-dir.ts";

const NAME = "e2e:bad:input";
const UNKNOWN_ID = "01900000-0000-7000-8000-000000000000";
const FIVE_MEGABYTES = 5_000_000;

let daemon: SpawnedDaemon;
let dir: TempDir;
let client: Reseolio;

beforeAll(async () => {
  dir = await tempDir();
  daemon = await spawnDaemon();
  client = new Reseolio({ address: daemon.address, autoStart: false, workerConcurrency: 0 });
  await client.start();
  await writeFile(dir.file("large.json"), JSON.stringify(["a".repeat(FIVE_MEGABYTES)]));
}, 30_000);

afterAll(async () => {
  await client.stop();
  // Whatever this file has sent, the daemon is alive, answers, and has stored nothing.
  expect((await fetch(`${daemon.url}/readyz`)).status).toBe(200);
  expect(await storedJobs()).toEqual({});
  await daemon[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

describe("P19: the command line refuses", () => {
  const cases: readonly (readonly [string, readonly string[], number, string])[] = [
    ["an unknown flag", ["jobs", "enqueue", NAME, "--bogus"], 2, "--bogus"],
    ["an unknown verb", ["jobs", "enqeue", NAME], 2, "enqueue"],
    // Names that every object of the runtime has.
    ...["constructor", "__proto__", "toString"].flatMap(
      (word): readonly [string, readonly string[], number, string][] => [
        [`the command ${word}`, [word], 2, "unknown command"],
        [`the verb ${word}`, ["jobs", word], 2, "unknown command"],
        [`the flag --${word}`, ["jobs", "list", `--${word}`, "1"], 2, "unknown flag"],
        [`the state ${word}`, ["jobs", "list", "--state", word], 2, "valid values"],
        [`the cron rule ${word}`, ["schedules", "preview", "--cron", word], 2, "has 1 field"],
        [`--on-duplicate ${word}`, ["jobs", "enqueue", NAME, "--on-duplicate", word], 2, "valid values"],
      ],
    ),
    ["malformed JSON", ["jobs", "enqueue", NAME, "--args", "[1,"], 2, "--args"],
    ["arguments that are no array", ["jobs", "enqueue", NAME, "--args", '{"a":1}'], 2, "array"],
    ["5 MB of arguments", ["jobs", "enqueue", NAME, "--args", "@large.json"], 2, "1048576"],
    ["a file of arguments that is not there", ["jobs", "enqueue", NAME, "--args", "@absent.json"], 2, "absent.json"],
    ["an empty name", ["jobs", "enqueue", ""], 2, "name is empty"],
    ["a negative timeout", ["jobs", "enqueue", NAME, "--timeout=-5s"], 2, "-5s"],
    ["no attempts", ["jobs", "enqueue", NAME, "--max-attempts", "0"], 2, "whole number from 1"],
    ["jitter beyond 1", ["jobs", "enqueue", NAME, "--jitter", "2"], 2, "0 to 1"],
    ["an id that is none", ["jobs", "get", "nonsense"], 2, "nonsense"],
    ["the id of no job", ["jobs", "get", UNKNOWN_ID], 3, UNKNOWN_ID],
    ["to cancel no job", ["jobs", "cancel", UNKNOWN_ID], 3, UNKNOWN_ID],
    ["to retry no job", ["jobs", "retry", UNKNOWN_ID], 3, UNKNOWN_ID],
  ];
  for (const [what, words, exitCode, text] of cases) {
    test(
      what,
      async () => {
        const result = await runCommand([...reseolioCommand(), ...words, "--addr", daemon.address], { cwd: dir.path });
        expectRefusal(result, exitCode, text);
      },
      20_000,
    );
  }

  test("to work without a daemon, and says how to start one", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    expectRefusal(await runCommand([...reseolioCommand(), "status", "--addr", address]), 5, "reseolio serve");
  }, 20_000);
});

function expectRefusal({ exitCode, stdout, stderr }: CommandResult, code: number, text: string): void {
  expect({ exitCode, stderr, stdout }).toMatchObject({ exitCode: code, stdout: "" });
  expect(stderr).toContain(text);
  // One message for a person, never a stack trace.
  expect(stderr).not.toMatch(/\n\s+at /);
}

describe("P19: JSON over HTTP is refused for", () => {
  const item = (job: unknown): string => JSON.stringify({ jobs: [job] });
  const cases: readonly (readonly [string, string, string, number, string])[] = [
    ["JSON that breaks off", "EnqueueJobs", '{"jobs":[', 400, "cannot decode"],
    ["a field that does not exist", "EnqueueJobs", item({ functionName: NAME, nonsense: 1 }), 400, "nonsense"],
    ["a negative timeout", "EnqueueJobs", item({ functionName: NAME, options: { timeoutMs: -1 } }), 400, "timeout_ms"],
    ["5 MB of arguments", "EnqueueJobs", item({ functionName: NAME, args: "A".repeat(FIVE_MEGABYTES) }), 429, "size"],
    ["an id that is none", "GetJob", '{"jobId":"nonsense"}', 400, "job_id"],
    ["the id of no job", "GetJob", `{"jobId":"${UNKNOWN_ID}"}`, 404, UNKNOWN_ID],
    ["a page of no size", "ListJobs", '{"pageSize":5000}', 400, "page_size"],
    ["a page token of another world", "ListJobs", '{"pageToken":"nonsense"}', 400, "page_token"],
    ["a method that does not exist", "Nonsense", "{}", 404, ""],
  ];
  for (const [what, method, body, status, text] of cases) {
    test(
      what,
      async () => {
        const response = await post(method, body);
        const said = await response.text();
        expect({ status: response.status, said }).toMatchObject({ status });
        expect(said).toContain(text);
      },
      20_000,
    );
  }

  const items: readonly (readonly [string, unknown, number, string])[] = [
    ["an empty name", { functionName: "" }, 3, "function_name"],
    ["a name of 300 bytes", { functionName: "n".repeat(300) }, 3, "function_name"],
    ["a name with a line break", { functionName: "a:b\nc" }, 3, "function_name"],
    ["no attempts", { functionName: NAME, options: { maxAttempts: 0 } }, 3, "max_attempts"],
    ["jitter that is no number", { functionName: NAME, options: { jitter: "NaN" } }, 3, "jitter"],
    ["an id that is no UUID", { functionName: NAME, jobId: "17" }, 3, "job_id"],
    ["a key of 600 bytes", { functionName: NAME, options: { idempotencyKey: "k".repeat(600) } }, 3, "idempotency_key"],
    ["large headers", { functionName: NAME, options: { headers: { a: "h".repeat(20_000) } } }, 3, "headers"],
    [
      "a delay and a time",
      { functionName: NAME, options: { delayMs: "5", runAt: "2030-01-01T00:00:00Z" } },
      3,
      "run_at",
    ],
    ["arguments of 2 MB", { functionName: NAME, args: "A".repeat(2_796_204) }, 8, "1048576"],
  ];
  for (const [what, job, code, field] of items) {
    test(`an item with ${what}`, async () => {
      const response = await post("EnqueueJobs", item(job));
      expect(response.status).toBe(200);
      const { results } = (await response.json()) as { results: { error: { code: number; message: string } }[] };
      expect(results[0]?.error).toMatchObject({ code });
      expect(results[0]?.error.message).toContain(field);
    }, 20_000);
  }

  test("a batch of 1,001 jobs as a whole", async () => {
    const jobs = Array.from({ length: 1_001 }, () => ({ functionName: NAME }));
    const response = await post("EnqueueJobs", JSON.stringify({ jobs }));
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("1000");
  }, 20_000);

  test("anything but a POST of JSON", async () => {
    const url = `${daemon.url}/reseolio.v1.JobService/EnqueueJobs`;
    const body = item({ functionName: NAME });
    const get = await fetch(`${url}?message=${encodeURIComponent(body)}&encoding=json&connect=v1`);
    expect(get.status).toBe(405);
    const text = await fetch(url, { method: "POST", body, headers: { "content-type": "text/plain" } });
    expect(text.status).toBe(415);
    const foreign = { "content-type": "application/json", origin: "http://evil.example" };
    expect((await fetch(url, { method: "POST", body, headers: foreign })).status).toBe(403);
  }, 20_000);
});

function post(method: string, body: string): Promise<Response> {
  return fetch(`${daemon.url}/reseolio.v1.JobService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    signal: AbortSignal.timeout(10_000),
  });
}

describe("P19: the SDK refuses", () => {
  const call = (options: JobOptions) => () => client.enqueue(NAME, [], options);
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const cases: readonly (readonly [string, () => Promise<unknown>, string, string])[] = [
    ["an empty name", () => client.enqueue(""), "invalid_argument", "name"],
    ["a negative timeout", call({ timeoutMs: -1 }), "invalid_argument", "timeoutMs"],
    ["no attempts", call({ maxAttempts: 0 }), "invalid_argument", "maxAttempts"],
    ["jitter that is no number", call({ jitter: Number.NaN }), "invalid_argument", "jitter"],
    ["an unknown option", call({ retries: 3 } as JobOptions), "invalid_argument", "retries"],
    ["5 MB of arguments", () => client.enqueue(NAME, ["a".repeat(FIVE_MEGABYTES)]), "serialization", "1048576"],
    ["arguments that go in a circle", () => client.enqueue(NAME, [cyclic]), "serialization", NAME],
    ["arguments that JSON does not have", () => client.enqueue(NAME, [10n]), "serialization", NAME],
    ["the id of no job", () => client.getJob(UNKNOWN_ID), "not_found", UNKNOWN_ID],
    ["an id that is none", () => client.getJob("nonsense"), "invalid_argument", "nonsense"],
    ["to cancel no job", () => client.cancelJob(UNKNOWN_ID), "not_found", UNKNOWN_ID],
    ["to retry no job", () => client.retryJob(UNKNOWN_ID), "not_found", UNKNOWN_ID],
    ["a page of no size", () => client.listJobs({ limit: 0 }), "invalid_argument", "limit"],
  ];
  for (const [what, act, code, text] of cases) {
    test(
      what,
      async () => {
        const error = (await rejection(act())) as Error;
        expect(error).toMatchObject({ code });
        expect(error.message).toContain(text);
      },
      20_000,
    );
  }

  test("a daemon that serves another storage, and names both", async () => {
    const storage = dir.file("elsewhere.db");
    const stranger = new Reseolio({ storage, address: daemon.address, workerConcurrency: 0 });
    const error = (await rejection(stranger.start())) as Error;
    expect(error).toMatchObject({ code: "storage_mismatch" });
    expect(error.message).toContain(storage);
    expect(error.message).toContain(daemon.db);
  }, 20_000);
});

describe("P19: serve refuses", () => {
  async function serve(words: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
    return runCommand([...reseolioCommand(), "serve", ...words], { cwd: dir.path, env, timeoutMs: 15_000 });
  }

  test("a directory that is not there", async () => {
    expectRefusal(await serve(["--db", "absent/jobs.db"]), 1, "absent");
  }, 20_000);

  test("a directory as database", async () => {
    expectRefusal(await serve(["--db", dir.path]), 1, "is a directory");
  }, 20_000);

  test("a file that is not SQLite, and leaves it as it is", async () => {
    await writeFile(dir.file("notes.txt"), "not a database, but dear to its owner");
    const before = await readdir(dir.path);
    expectRefusal(await serve(["--db", "notes.txt"]), 1, "not an SQLite database");
    expect(await Bun.file(dir.file("notes.txt")).text()).toBe("not a database, but dear to its owner");
    expect(await readdir(dir.path)).toEqual(before);
  }, 20_000);

  test("a port that is taken, and makes no file for nothing", async () => {
    expectRefusal(await serve(["--db", "second.db", "--addr", daemon.address]), 1, daemon.address);
    expect((await readdir(dir.path)).filter((name) => name.startsWith("second.db"))).toEqual([]);
  }, 20_000);

  test("an address beyond this machine without token and TLS", async () => {
    expectRefusal(await serve(["--addr", "0.0.0.0:0"]), 2, "0.0.0.0");
  }, 20_000);

  test("all wrong settings at once, from flags and from the environment", async () => {
    const result = await serve(["--max-concurrent=-1", "--lease", "5"], { RESEOLIO_LOG_LEVEL: "loud" });
    for (const text of ["--max-concurrent", "--lease", "RESEOLIO_LOG_LEVEL"]) expectRefusal(result, 2, text);
    expect(await readdir(dir.path)).not.toContain("reseolio.db");
  }, 20_000);
});

describe("P19: bytes that are no protocol", () => {
  const streams: readonly (readonly [string, string])[] = [
    ["nonsense", "NONSENSE \u0000\u0001\r\n\r\n"],
    ["an HTTP/2 preface and then nonsense", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\u00ff".repeat(100)}`],
    ["a header that does not end", `GET / HTTP/1.1\r\nx: ${"a".repeat(100_000)}`],
  ];
  for (const [what, text] of streams) {
    test(`end the connection: ${what}`, async () => {
      await connectionEnd(Buffer.from(text, "latin1"));
      expect((await fetch(`${daemon.url}/readyz`)).status).toBe(200);
    }, 30_000);
  }
});

function connectionEnd(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(daemon.port, "127.0.0.1", () => socket.write(bytes));
    // A reset is an end too.
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume();
  });
}

async function storedJobs(): Promise<unknown> {
  const response = await fetch(`${daemon.url}/reseolio.v1.JobService/ListJobs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  return response.json();
}
