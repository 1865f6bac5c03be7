/** A client's session with its daemon: frames, their answers, and what becomes of both when the stream breaks. */
import { describe, expect, test } from "bun:test";
import { ConnectionError } from "../../src/sdk/errors.ts";
import { startScriptedDaemon } from "../unit/sdk/scripted-daemon.ts";
import { faultOf } from "../unit/sdk/waiting.ts";
import { answerAll, clientOf, hasEnqueues, start, textOf } from "./scripted-client.ts";

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
