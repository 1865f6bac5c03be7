/** How a client starts, whatever it finds at the address, and how it stops. */
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { ConnectionError, ReseolioError } from "../../src/sdk/errors.ts";
import { Reseolio } from "../../src/sdk/reseolio.ts";
import { type ScriptedDaemon, startScriptedDaemon } from "../unit/sdk/scripted-daemon.ts";
import { faultOf, until } from "../unit/sdk/waiting.ts";
import { answerAll, assignment, clientOf, hasOutcomes, quiet, start } from "./scripted-client.ts";

const JOB = uuidV7();

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
    await stopWhileRunning(daemon, client);
  });

  test("a handler that ignores its signal is handed back all the same", async () => {
    await using daemon = await startScriptedDaemon();
    const client = clientOf(daemon, { drainTimeoutMs: 10 });
    client.durable("t:run", () => new Promise(() => {}));
    await stopWhileRunning(daemon, client);
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

/** Stops the client while a handler runs that does not end: its job is handed back as one that had started. */
async function stopWhileRunning(daemon: ScriptedDaemon, client: Reseolio): Promise<void> {
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
}
