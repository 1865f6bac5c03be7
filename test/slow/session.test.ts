import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import type { SessionRequest } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ConnectionError, JobFailedError, ReseolioError, ResultTimeoutError } from "../../src/sdk/errors.ts";
import type { Logger } from "../../src/sdk/logger.ts";
import type { ReseolioOptions } from "../../src/sdk/reseolio-options.ts";
import { Reseolio } from "../../src/sdk/reseolio.ts";
import { type ScriptedDaemon, type ScriptedSession, startScriptedDaemon } from "../unit/sdk/scripted-daemon.ts";
import { faultOf, until } from "../unit/sdk/waiting.ts";

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

function clientOf(daemon: ScriptedDaemon, options: ReseolioOptions = {}): Reseolio {
  return new Reseolio({
    address: daemon.address,
    autoStart: false,
    connectTimeoutMs: 2_000,
    drainTimeoutMs: 2_000,
    logger: quiet,
    ...options,
  });
}

/** A started client and its first session. */
async function start(daemon: ScriptedDaemon, client: Reseolio, leaseMs?: number): Promise<ScriptedSession> {
  const started = client.start();
  const session = await daemon.nextSession();
  session.welcome(leaseMs);
  await started;
  return session;
}

/** Answers everything until the stream ends. */
async function answerAll(session: ScriptedSession): Promise<void> {
  for (;;) session.reply(await session.next(60_000));
}

const hasEnqueues = (frame: SessionRequest): boolean => frame.enqueues.length > 0;
const hasOutcomes = (frame: SessionRequest): boolean => frame.outcomes.length > 0;

function assignment(jobId: string, functionName = "t:run", more: { timeoutMs?: number; args?: string } = {}) {
  return {
    jobId,
    leaseToken: 1,
    functionName,
    args: new TextEncoder().encode(more.args ?? "[]"),
    attempt: 1,
    maxAttempts: 3,
    timeoutMs: more.timeoutMs ?? 0,
  };
}

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

describe("the session", () => {
  test("introduces the process and its functions, and says so when it is ready", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 7 });
    client.durable("t:one", () => 1);
    let ready = 0;
    client.on("ready", () => ready++);
    const session = await start(daemon, client);
    void answerAll(session).catch(() => {});
    expect(session.hello.functionNames).toEqual(["t:one"]);
    expect(session.hello.concurrency).toBe(7);
    expect(session.hello.pid).toBe(process.pid);
    expect(session.hello.hostId).toContain(session.hello.host);
    expect(ready).toBe(1);
  });

  test("tells functions that are registered after the start", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    client.durable("t:late", () => 1);
    const frame = await session.next();
    expect(frame.addFunctions).toEqual(["t:late"]);
    session.reply(frame);
    void answerAll(session).catch(() => {});
  });

  test("folds the calls of one turn into one frame, and what comes meanwhile into the next", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const first = Promise.all(Array.from({ length: 50 }, (_, index) => client.enqueue("t:run", [index])));
    const frame = await session.next();
    expect(frame.enqueues.map((job) => textOf(job.args))).toEqual(
      Array.from({ length: 50 }, (_, index) => `[${index}]`),
    );
    const later = Promise.all(Array.from({ length: 30 }, () => client.enqueue("t:run")));
    session.reply(frame);
    await first;
    const second = await session.next();
    expect(second.enqueues).toHaveLength(30);
    session.reply(second);
    await later;
    void answerAll(session).catch(() => {});
  });

  test("keeps at most two frames unanswered, however many calls wait", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const calls = Promise.all(Array.from({ length: 5_000 }, () => client.enqueue("t:run")));
    const frames = [await session.next(), await session.next()];
    expect(frames.map((frame) => frame.enqueues.length)).toEqual([1000, 1000]);
    expect(String(await faultOf(session.next(200)))).toContain("nothing came");
    for (const frame of frames) session.reply(frame);
    void answerAll(session).catch(() => {});
    expect(await calls).toHaveLength(5_000);
  });

  test("no frame carries much more than a megabyte", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const calls = Promise.all(Array.from({ length: 10 }, () => client.enqueue("t:run", ["x".repeat(400_000)])));
    void answerAll(session).catch(() => {});
    await calls;
    expect(Math.max(...session.received.map((frame) => frame.enqueues.length))).toBe(2);
  });

  test("P2: a call whose answer was lost is sent again with the same id, in the same order", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const events: string[] = [];
    client.on("disconnected", () => events.push("disconnected"));
    client.on("reconnected", () => events.push("reconnected"));
    const session = await start(daemon, client);
    const calls = Promise.all([client.enqueue("t:run", [1]), client.enqueue("t:run", [2])]);
    const lost = await session.next();
    daemon.cut();
    const again = await daemon.nextSession();
    again.welcome();
    const repeated = await again.nextMatching(hasEnqueues);
    expect(repeated.enqueues.map((job) => job.jobId)).toEqual(lost.enqueues.map((job) => job.jobId));
    expect(again.hello.workerId).toBe(session.hello.workerId);
    again.reply(repeated);
    void answerAll(again).catch(() => {});
    expect((await calls).map((handle) => handle.jobId)).toEqual(lost.enqueues.map((job) => job.jobId));
    expect(events).toEqual(["disconnected", "reconnected"]);
  });

  test("replies in another order than the frames find their calls", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const first = client.enqueue("t:run", ["first"]);
    const one = await session.next();
    const second = client.enqueue("t:run", ["second"]);
    const two = await session.next();
    session.reply(two);
    session.reply(one);
    expect((await first).jobId).toBe(one.enqueues[0]?.jobId ?? "");
    expect((await second).jobId).toBe(two.enqueues[0]?.jobId ?? "");
    void answerAll(session).catch(() => {});
  });

  test("a call made while the daemon is away waits and is stored when it is back", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    await start(daemon, client);
    const gone = new Promise((resolve) => client.once("disconnected", resolve));
    await daemon.stop();
    await gone;
    const call = client.enqueue("t:run", ["patient"]);
    await daemon.listen();
    const session = await daemon.nextSession();
    session.welcome();
    void answerAll(session).catch(() => {});
    expect((await call).jobId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a call that gets no answer in its time fails and says that it may be stored", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { callTimeoutMs: 600 });
    const session = await start(daemon, client);
    const error = await client.enqueue("t:run").catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(String(error)).toContain("may or may not have been stored");
    // What comes late is nobody's.
    session.reply(await session.next());
    void answerAll(session).catch(() => {});
  });

  test("a refused call fails with the daemon's code, the others of its frame do not", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const calls = Promise.allSettled([client.enqueue("t:run", [1]), client.enqueue("t:run", [2])]);
    const frame = await session.next();
    session.send({
      replies: [
        {
          frameId: frame.frameId,
          enqueued: [
            { result: { case: "error", value: { code: 6, message: "a job with this key is there" } } },
            { result: { case: "job", value: {} } },
          ],
        },
      ],
    });
    const [refused, stored] = await calls;
    expect(stored.status).toBe("fulfilled");
    expect(refused).toMatchObject({ status: "rejected", reason: { code: "already_exists" } });
    void answerAll(session).catch(() => {});
  });

  test("a daemon that takes frames and answers none is given up and connected to anew", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const { SESSION_DEFAULTS } = await import("../../src/sdk/session/session-settings.ts");
    const { Session } = await import("../../src/sdk/session/session.ts");
    const { createClient } = await import("../../src/sdk/transport/client.ts");
    expect(client).toBeDefined();
    const inner = createClient({ address: daemon.address });
    const broken: string[] = [];
    const session = new Session(
      inner,
      {
        hello: () => ({ ...hello }),
        connected() {},
        disconnected: (error) => broken.push(error.message),
        connectFailed() {},
        received() {},
        tick() {},
      },
      { ...SESSION_DEFAULTS, replyTimeoutMs: 300, tickMs: 50 },
      () => Promise.resolve(),
    );
    const opened = session.open();
    (await daemon.nextSession()).welcome();
    await opened;
    const call = session.enqueue(newJob, (_, job) => job.jobId);
    const second = await daemon.nextSession();
    second.welcome();
    void answerAll(second).catch(() => {});
    expect(await call).toBe(newJob.jobId);
    expect(broken[0]).toContain("did not answer for");
    await session.close();
    inner.close();
  });

  test("a session renews its lease at least every third of it, also while it says only what it awaits", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client, 2_400);
    const awaiting = setInterval(
      () =>
        void client
          .handle(crypto.randomUUID())
          .result()
          .catch(() => {}),
      200,
    );
    const times: number[] = [];
    let awaits = 0;
    while (times.length < 3 && awaits < 30) {
      const frame = await session.next(2_000);
      expect(frame.enqueues).toHaveLength(0);
      if (frame.frameId === 0) {
        awaits++;
        continue;
      }
      times.push(performance.now());
      session.reply(frame);
    }
    clearInterval(awaiting);
    expect(awaits).toBeGreaterThan(0);
    expect((times[2] ?? Infinity) - (times[0] ?? 0)).toBeLessThan(2 * 800 + 100);
    void answerAll(session).catch(() => {});
  });
});

const hello = {
  $typeName: "reseolio.v1.Hello" as const,
  workerId: "w",
  host: "",
  hostId: "",
  pid: 1,
  processStart: "",
  functionNames: [],
  concurrency: 0,
  heldLeases: [],
  client: "",
  ordered: true,
};

const newJob = {
  $typeName: "reseolio.v1.NewJob" as const,
  jobId: "job-1",
  functionName: "t:run",
  args: new Uint8Array(0),
  parentId: "",
};

describe("starting", () => {
  test("without a daemon it fails in time and names the address", async () => {
    await using daemon = await startScriptedDaemon();
    await daemon.stop();
    const client = clientOf(daemon, { connectTimeoutMs: 700 });
    const error = await client.start().catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(String(error)).toContain(daemon.address);
    expect(String(await faultOf(client.enqueue("t:run")))).toContain("not started");
  });

  test("at something that takes the connection and says nothing, it ends with that as the reason", async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on("error", () => {})));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = new Reseolio({ address, autoStart: false, connectTimeoutMs: 600, logger: quiet });
    expect(await faultOf(client.start())).toMatchObject({
      code: "connection",
      message: expect.stringContaining(`the daemon at ${address} did not answer for 600 ms`),
    });
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  test("a daemon that welcomes and then refuses is tried again with growing patience, and the reason is told", async () => {
    await using daemon = await startScriptedDaemon();
    const warnings: string[] = [];
    const client = clientOf(daemon, { logger: { ...quiet, warn: (message) => void warnings.push(message) } });
    const first = await start(daemon, client);
    const endAt = performance.now() + 700;
    first.refuse(Code.InvalidArgument, "frame: no");
    while (performance.now() < endAt) {
      const next = await Promise.race([daemon.nextSession(), Bun.sleep(endAt - performance.now())]);
      next?.welcome();
      next?.refuse(Code.InvalidArgument, "frame: no");
    }
    expect(daemon.sessionCount).toBeGreaterThan(2);
    expect(daemon.sessionCount).toBeLessThan(8);
    expect(warnings).toEqual([expect.stringContaining("reconnecting: frame: no")]);
    await client.stop();
  });

  test("a daemon on another storage is an error that names both", async () => {
    await using daemon = await startScriptedDaemon();
    daemon.info = { storageKind: "sqlite", storageName: "/data/other.db" };
    const client = clientOf(daemon, { storage: "sqlite:///data/mine.db" });
    const error = await client.start().catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: "storage_mismatch" });
    expect(String(error)).toContain("/data/other.db");
    expect(String(error)).toContain("/data/mine.db");
  });

  test("a call before the start is refused with what to do", async () => {
    const client = new Reseolio({ autoStart: false });
    expect(String(await faultOf(client.enqueue("t:run")))).toContain("await reseolio.start()");
  });
});

// Spelled apart: what has it by its plain name is taken for a mistake.
const THEN: string = ["th", "en"].join("");

function throwIt(error: Error): never {
  throw error;
}

const [JOB, OTHER_JOB, THIRD_JOB] = [uuidV7(), uuidV7(), uuidV7()] as const;

describe("waiting for results", () => {
  test("gives the value, and asks once however many wait", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const handle = client.handle<{ n: number }>(JOB);
    const results = Promise.all([handle.result(), handle.result(5_000)]);
    const frame = await session.next();
    expect(frame.awaitJobIds).toEqual([JOB]);
    session.reply(frame);
    session.send({ finished: [{ jobId: JOB, state: JobState.SUCCESS, result: new TextEncoder().encode('{"n":1}') }] });
    expect(await results).toEqual([{ n: 1 }, { n: 1 }]);
    void answerAll(session).catch(() => {});
  });

  test("a handle of what is no id is refused at once", () => {
    const client = new Reseolio({ autoStart: false });
    for (const id of ["nope", "", undefined, JOB.toUpperCase()]) {
      expect(() => client.handle(id as string)).toThrow(`jobId is ${JSON.stringify(id)}; use a job ID`);
    }
  });

  test("P16: a wait survives the loss of the daemon", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const result = client.handle(JOB).result();
    session.reply(await session.next());
    daemon.cut();
    const again = await daemon.nextSession();
    again.welcome();
    const frame = await again.next();
    expect(frame.awaitJobIds).toEqual([JOB]);
    again.reply(frame);
    again.send({ finished: [{ jobId: JOB, state: JobState.SUCCESS, result: new TextEncoder().encode("7") }] });
    expect(await result).toBe(7);
    void answerAll(again).catch(() => {});
  });

  test("P16: it ends at the caller's timeout, also while the daemon is away, and the daemon is told", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const error = await client
      .handle(JOB)
      .result(150)
      .catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(ResultTimeoutError);
    session.reply(await session.next());
    const frame = await session.next();
    expect(frame.unawaitJobIds).toEqual([JOB]);
    session.reply(frame);
    await daemon.stop();
    expect(await faultOf(client.handle(OTHER_JOB).result(100))).toBeInstanceOf(ResultTimeoutError);
  });

  test("a dead job throws the handler's error as cause, a cancelled one and an unknown one say so", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const waits = Promise.allSettled([JOB, OTHER_JOB, THIRD_JOB].map((id) => client.handle(id).result()));
    session.reply(await session.next());
    const error = { name: "CardError", message: "declined", stack: "CardError: declined\n at pay", reason: "handler" };
    session.send({
      finished: [
        { jobId: JOB, state: JobState.DEAD, error },
        { jobId: OTHER_JOB, state: JobState.CANCELLED, error: { message: "by a caller", reason: "cancelled" } },
        { jobId: THIRD_JOB },
      ],
    });
    const [dead, cancelled, unknown] = await waits;
    const failure = dead?.status === "rejected" ? (dead.reason as unknown) : null;
    expect(failure).toBeInstanceOf(JobFailedError);
    expect(failure).toMatchObject({ code: "job_failed", reason: "handler" });
    const cause = (failure as JobFailedError).cause as Error;
    expect(cause).toBeInstanceOf(Error);
    expect([cause.name, cause.message, cause.stack ?? ""]).toEqual([error.name, error.message, error.stack]);
    expect(cancelled).toMatchObject({ reason: { code: "job_cancelled", reason: "cancelled" } });
    expect(unknown).toMatchObject({ reason: { code: "not_found" } });
    void answerAll(session).catch(() => {});
  });
});

describe("the worker", () => {
  test("runs assignments in order within its slots, and reports each result", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 2 });
    const started: string[] = [];
    const gates = new Map<string, () => void>();
    client.durable("t:run", async (name: string) => {
      started.push(name);
      await new Promise<void>((resolve) => gates.set(name, resolve));
      return `done ${name}`;
    });
    const session = await start(daemon, client);
    session.send({ assignments: ["a", "b", "c"].map((id) => assignment(id, "t:run", { args: `["${id}"]` })) });
    await until(() => started.length === 2);
    expect(started).toEqual(["a", "b"]);
    gates.get("b")?.();
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes).toHaveLength(1);
    expect(frame.outcomes[0]).toMatchObject({ jobId: "b", leaseToken: 1, outcome: { case: "success" } });
    expect(textOf(frame.outcomes[0]?.outcome.value as Uint8Array)).toBe('"done b"');
    session.reply(frame);
    await until(() => started.length === 3);
    expect(started).toEqual(["a", "b", "c"]);
    gates.get("a")?.();
    gates.get("c")?.();
    void answerAll(session).catch(() => {});
  });

  test("a result whose then throws, or settles twice, is that attempt's own affair", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    const results: Record<string, unknown> = {
      throws: { [THEN]: () => throwIt(new Error("in then")) },
      cannotBeRead: Object.defineProperty({}, THEN, { get: () => throwIt(new Error("in get")) }),
      twice: {
        [THEN]: (resolve: (value: string) => void) => {
          resolve("once");
          resolve("twice");
          throw new Error("late");
        },
      },
      plain: "still here",
    };
    client.durable("t:run", (name: string) => results[name]);
    const session = await start(daemon, client);
    session.send({ assignments: Object.keys(results).map((id) => assignment(id, "t:run", { args: `["${id}"]` })) });
    const told: string[] = [];
    while (told.length < 4) {
      const frame = await session.nextMatching(hasOutcomes);
      session.reply(frame);
      for (const { outcome } of frame.outcomes) {
        told.push(
          outcome.case === "failure" ? (outcome.value.error?.message ?? "") : textOf(outcome.value as Uint8Array),
        );
      }
    }
    expect(told.toSorted()).toEqual(['"once"', '"still here"', "in get", "in then"]);
    void answerAll(session).catch(() => {});
  });

  test("P7: after a break the hello holds what runs, what waits and what has no answer yet, in order of their start", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 2 });
    let runs = 0;
    const gates = new Map<string, () => void>();
    client.durable("t:run", async () => {
      runs++;
      const { jobId } = client.context();
      await new Promise<void>((resolve) => gates.set(jobId, resolve));
    });
    const session = await start(daemon, client);
    session.send({ assignments: ["a", "b", "c", "d"].map((id) => assignment(id)) });
    await until(() => gates.size === 2);
    gates.get("a")?.();
    await session.nextMatching(hasOutcomes);
    await until(() => gates.size === 3);
    daemon.cut();
    const again = await daemon.nextSession();
    expect(again.hello.heldLeases.map(({ jobId, started }) => [jobId, started])).toEqual([
      ["a", true],
      ["b", true],
      ["c", true],
      ["d", false],
    ]);
    again.welcome();
    const repeated = await again.nextMatching(hasOutcomes);
    expect(repeated.outcomes.map((outcome) => outcome.jobId)).toEqual(["a"]);
    again.reply(repeated);
    gates.get("b")?.();
    gates.get("c")?.();
    await until(() => runs === 4);
    gates.get("d")?.();
    void answerAll(again).catch(() => {});
  });

  test.each([
    ["ends the stream, as one that drains does", (session: ScriptedSession, _: ScriptedDaemon) => session.end()],
    ["breaks the connection", (_: ScriptedSession, daemon: ScriptedDaemon) => daemon.cut()],
    ["stops listening as well", (_: ScriptedSession, daemon: ScriptedDaemon) => void daemon.stop()],
  ])("P7: with several addresses, a daemon that %s hands over to the next at once, with all leases", async (_, end) => {
    await using first = await startScriptedDaemon();
    await using second = await startScriptedDaemon();
    await using client = clientOf(first, { address: [first.address, second.address] });
    const gate = Promise.withResolvers<void>();
    let isRunning = false;
    client.durable("t:run", () => {
      isRunning = true;
      return gate.promise;
    });
    const session = await start(first, client);
    session.send({ assignments: [assignment("a")] });
    await until(() => isRunning);
    void answerAll(session).catch(() => {});
    const endedAt = performance.now();
    end(session, first);
    const next = await second.nextSession();
    expect(performance.now() - endedAt).toBeLessThan(500);
    expect(next.hello.workerId).toBe(session.hello.workerId);
    expect(next.hello.heldLeases.map(({ jobId, started }) => [jobId, started])).toEqual([["a", true]]);
    next.welcome();
    gate.resolve();
    const report = await next.nextMatching(hasOutcomes);
    expect(report.outcomes.map((outcome) => outcome.jobId)).toEqual(["a"]);
    next.reply(report);
    void answerAll(next).catch(() => {});
  });

  test("with several addresses, none of which answers, each is tried once between two waits", async () => {
    await using first = await startScriptedDaemon();
    await using second = await startScriptedDaemon();
    await Promise.all([first.stop(), second.stop()]);
    const client = clientOf(first, { address: [first.address, second.address], connectTimeoutMs: 500 });
    expect(await faultOf(client.start())).toBeInstanceOf(ConnectionError);
    await second.listen();
    const started = client.start();
    (await second.nextSession()).welcome();
    await started;
    await client.stop();
  });

  test("P4: leases lost meanwhile are stopped, and nothing is reported for them", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    const reasons: unknown[] = [];
    client.durable("t:run", () => {
      const { signal } = client.context();
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          reject(signal.reason as Error);
        });
      });
    });
    client.durable("t:quick", () => "ran");
    const session = await start(daemon, client);
    const running = new Promise((resolve) => client.once("job:start", resolve));
    session.send({ assignments: [assignment("lost"), assignment("waiting")] });
    await running;
    daemon.cut();
    const again = await daemon.nextSession();
    again.welcome(15_000, { lostLeases: ["lost", "waiting"].map((jobId) => ({ jobId, leaseToken: 1 })) });
    await until(() => reasons.length === 1);
    expect(reasons[0]).toMatchObject({ code: "failed_precondition" });
    again.send({ assignments: [assignment("next", "t:quick")] });
    const frame = await again.nextMatching(hasOutcomes);
    expect(frame.outcomes.map((outcome) => outcome.jobId)).toEqual(["next"]);
    again.reply(frame);
    void answerAll(again).catch(() => {});
  });

  test("P4: an outcome without an answer is not sent again when its lease is lost", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    client.durable("t:run", () => "ok");
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("settled")] });
    await session.nextMatching(hasOutcomes);
    daemon.cut();
    const again = await daemon.nextSession();
    expect(again.hello.heldLeases.map((lease) => lease.jobId)).toEqual(["settled"]);
    again.welcome(15_000, { lostLeases: [{ jobId: "settled", leaseToken: 1 }] });
    again.send({ assignments: [assignment("next")] });
    const frame = await again.nextMatching(hasOutcomes);
    expect(frame.outcomes.map((outcome) => outcome.jobId)).toEqual(["next"]);
    again.reply(frame);
    void answerAll(again).catch(() => {});
  });

  test("P10: a revocation fires the signal; the one word for the lease comes when the handler has ended", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    let end: () => void = () => {};
    let reason: unknown;
    client.durable("t:run", () => {
      const { signal } = client.context();
      signal.addEventListener("abort", () => (reason = signal.reason));
      return new Promise<void>((resolve) => (end = resolve));
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1"), assignment("j2")] });
    session.send({ revocations: [{ jobId: "j1", leaseToken: 1, reason: "cancelled" }] });
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ code: "job_cancelled" });
    expect(String(await faultOf(session.next(200)))).toContain("nothing came");
    end();
    const frame = await session.next();
    expect(frame.outcomes[0]).toMatchObject({ jobId: "j1", outcome: { case: "release" } });
    session.reply(frame, 2);
    end();
    void answerAll(session).catch(() => {});
  });

  test("P9: a revocation for its timeout fires the signal with a TimeoutError", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    let reason: unknown;
    client.durable("t:run", async () => {
      const { signal } = client.context();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      reason = signal.reason;
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1", "t:run", { timeoutMs: 50 })] });
    session.send({ revocations: [{ jobId: "j1", leaseToken: 1, reason: "timeout" }] });
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({ name: "TimeoutError" });
    void answerAll(session).catch(() => {});
  });

  test("a daemon that cannot be heard does not stretch the timeout: the signal fires a second later", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    client.durable("t:run", async () => {
      const { signal } = client.context();
      await new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1", "t:run", { timeoutMs: 20 })] });
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes[0]).toMatchObject({
      outcome: { case: "failure", value: { error: { name: "TimeoutError" } } },
    });
    session.reply(frame);
    void answerAll(session).catch(() => {});
  });

  test("a recall gives back what has not started, and nothing else", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    const ran: string[] = [];
    let end: () => void = () => {};
    client.durable("t:run", () => {
      ran.push(client.context().jobId);
      return new Promise<void>((resolve) => (end = resolve));
    });
    const session = await start(daemon, client);
    session.send({ assignments: ["a", "b", "c"].map((id) => assignment(id)) });
    session.send({ recalls: ["a", "b"].map((jobId) => ({ jobId, leaseToken: 1 })) });
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes).toHaveLength(1);
    expect(frame.outcomes[0]).toMatchObject({ jobId: "b", outcome: { case: "release", value: { started: false } } });
    session.reply(frame);
    end();
    await until(() => ran.length === 2);
    expect(ran).toEqual(["a", "c"]);
    end();
    void answerAll(session).catch(() => {});
  });

  test("an outcome that the store refused for now is reported again, a refused result becomes a failure", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    client.durable("t:run", () => "ok");
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("j1")] });
    const first = await session.nextMatching(hasOutcomes);
    session.reply(first, 3);
    const again = await session.nextMatching(hasOutcomes);
    expect(again.outcomes[0]).toMatchObject({ jobId: "j1", outcome: { case: "success" } });
    session.reply(again, 4);
    const failure = await session.nextMatching(hasOutcomes);
    expect(failure.outcomes[0]).toMatchObject({ jobId: "j1", outcome: { case: "failure" } });
    session.reply(failure);
    void answerAll(session).catch(() => {});
  });

  test("thousands of handlers that return at once do not grow the stack", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon, { workerConcurrency: 1 });
    client.durable("t:run", () => 1);
    const session = await start(daemon, client);
    const count = 20_000;
    session.send({ assignments: Array.from({ length: count }, (_, index) => assignment(`j${index}`)) });
    let reported = 0;
    while (reported < count) {
      const frame = await session.next();
      reported += frame.outcomes.filter((outcome) => outcome.outcome.case === "success").length;
      session.reply(frame);
    }
    expect(reported).toBe(count);
    void answerAll(session).catch(() => {});
  });

  test("a call made inside a handler carries the job as its parent, one of another client does not", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    await using other = clientOf(daemon, { workerConcurrency: 0 });
    const session = await start(daemon, client);
    const otherSession = await start(daemon, other);
    client.durable("t:run", async () => {
      await Promise.all([client.enqueue("t:child"), other.enqueue("t:foreign")]);
    });
    session.send({ assignments: [assignment("parent")] });
    const frame = await session.nextMatching(hasEnqueues);
    expect(frame.enqueues[0]?.parentId).toBe("parent");
    session.reply(frame);
    const foreign = await otherSession.nextMatching(hasEnqueues);
    expect(foreign.enqueues[0]?.parentId).toBe("");
    otherSession.reply(foreign);
    void answerAll(session).catch(() => {});
    void answerAll(otherSession).catch(() => {});
  });
});

describe("stopping", () => {
  test("P17: it hands back what has not started, waits for what runs, and reports it", async () => {
    await using daemon = await startScriptedDaemon();
    const client = clientOf(daemon, { workerConcurrency: 1 });
    let end: () => void = () => {};
    let runs = 0;
    client.durable("t:run", () => {
      runs++;
      return new Promise<string>((resolve) => (end = () => resolve("finished")));
    });
    const session = await start(daemon, client);
    session.send({ assignments: [assignment("a"), assignment("b")] });
    await until(() => runs === 1);
    const stopping = client.stop();
    const handedBack = await session.next();
    expect(handedBack.drain).toBe(true);
    expect(handedBack.outcomes[0]).toMatchObject({
      jobId: "b",
      outcome: { case: "release", value: { started: false } },
    });
    session.reply(handedBack);
    end();
    const last = await session.nextMatching(hasOutcomes);
    expect(last.outcomes[0]).toMatchObject({ jobId: "a", outcome: { case: "success" } });
    session.reply(last);
    await stopping;
    expect(runs).toBe(1);
    await client.stop();
  });

  test("P17: when the grace is over the signal fires, and what its handler throws counts as nothing", async () => {
    await using daemon = await startScriptedDaemon();
    const client = clientOf(daemon, { drainTimeoutMs: 50 });
    client.durable("t:run", () => {
      const { signal } = client.context();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    });
    const session = await start(daemon, client);
    let running = false;
    client.on("job:start", () => (running = true));
    session.send({ assignments: [assignment("a")] });
    await until(() => running);
    const stopping = client.stop();
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes[0]).toMatchObject({ jobId: "a", outcome: { case: "release", value: { started: true } } });
    session.reply(frame);
    await stopping;
  });

  test("a handler that ignores its signal is handed back all the same", async () => {
    await using daemon = await startScriptedDaemon();
    const client = clientOf(daemon, { drainTimeoutMs: 10 });
    client.durable("t:run", () => new Promise(() => {}));
    const session = await start(daemon, client);
    let running = false;
    client.on("job:start", () => (running = true));
    session.send({ assignments: [assignment("a")] });
    await until(() => running);
    const stopping = client.stop();
    const frame = await session.nextMatching(hasOutcomes);
    expect(frame.outcomes[0]).toMatchObject({ jobId: "a", outcome: { case: "release", value: { started: true } } });
    session.reply(frame);
    await stopping;
  });

  test("waits that are left end with an error, and the client can be started again", async () => {
    await using daemon = await startScriptedDaemon();
    await using client = clientOf(daemon);
    const session = await start(daemon, client);
    const wait = client
      .handle(JOB)
      .result()
      .catch((fault: unknown) => fault);
    void answerAll(session).catch(() => {});
    await client.stop();
    expect(await wait).toBeInstanceOf(ReseolioError);
    const again = await start(daemon, client);
    void answerAll(again).catch(() => {});
    await client.enqueue("t:run");
    expect(daemon.sessionCount).toBe(2);
  });
});
