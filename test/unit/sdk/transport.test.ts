import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { ConnectionError } from "../../../src/sdk/errors.ts";
import { createClient } from "../../../src/sdk/transport/client.ts";
import { startScriptedDaemon } from "./scripted-daemon.ts";
import { faultOf } from "./waiting.ts";

describe("a call", () => {
  test("with nobody there is a ConnectionError that says how to start a daemon", async () => {
    await using daemon = await startScriptedDaemon();
    await daemon.stop();
    const client = createClient({ address: daemon.address });
    const error = await faultOf(client.daemon.getInfo({}));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(String(error)).toContain(`no daemon answers at ${daemon.address}`);
    expect(String(error)).toContain("reseolio serve");
    client.close();
  });

  test("to a peer that takes it and never answers ends at its deadline", async () => {
    const hole = createServer(() => {});
    await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(hole.address() as AddressInfo).port}`;
    const client = createClient({ address, timeoutMs: 200 });
    const error = await faultOf(client.daemon.getInfo({}));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(String(error)).toContain("did not answer within 200 ms");
    client.close();
    hole.close();
  });

  test("to a peer that speaks another protocol is a ConnectionError, not a fault inside", async () => {
    const stranger = createServer((socket) => socket.end("220 mail.example.com ESMTP\r\n"));
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const client = createClient({ address, timeoutMs: 2_000 });
    expect(await faultOf(client.daemon.getInfo({}))).toBeInstanceOf(ConnectionError);
    client.close();
    stranger.close();
  });

  test.each([
    ["closes", (socket: Socket) => socket.destroy()],
    ["resets", (socket: Socket) => socket.once("data", () => socket.resetAndDestroy())],
  ])("to a peer that %s the connection, as one that is just starting can, is a ConnectionError", async (_, end) => {
    const peer = createServer((socket) => void end(socket.on("error", () => {})));
    await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
    const client = createClient({ address: `127.0.0.1:${(peer.address() as AddressInfo).port}`, timeoutMs: 2_000 });
    expect(await faultOf(client.daemon.getInfo({}))).toBeInstanceOf(ConnectionError);
    client.close();
    peer.close();
  });

  test("that its own caller cancels is no ConnectionError", async () => {
    await using daemon = await startScriptedDaemon();
    const client = createClient({ address: daemon.address });
    const error = await faultOf(client.daemon.getInfo({}, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ name: "ConnectError", code: Code.Canceled });
    client.close();
  });

  test("after a break opens a new connection by itself", async () => {
    await using daemon = await startScriptedDaemon();
    const client = createClient({ address: daemon.address });
    expect((await client.daemon.getInfo({})).storageName).toBe("scripted.db");
    await daemon.stop();
    expect(await faultOf(client.daemon.getInfo({}))).toBeInstanceOf(ConnectionError);
    await daemon.listen();
    expect((await client.daemon.getInfo({})).storageName).toBe("scripted.db");
    client.close();
  });

  test("that cannot reach its daemon goes to the next one, and stays there", async () => {
    await using first = await startScriptedDaemon();
    await using second = await startScriptedDaemon();
    second.info = { ...second.info, storageName: "second.db" };
    const client = createClient({ address: [first.address, second.address] });
    expect((await client.daemon.getInfo({})).storageName).toBe("scripted.db");
    await first.stop();
    // The break may be told by a call that was on its way: only one that was never sent is given to another daemon.
    await faultOf(client.daemon.getInfo({})).catch(() => {});
    expect((await client.daemon.getInfo({})).storageName).toBe("second.db");
    await first.listen();
    expect((await client.daemon.getInfo({})).storageName).toBe("second.db");
    await second.stop();
    await faultOf(client.daemon.getInfo({})).catch(() => {});
    expect((await client.daemon.getInfo({})).storageName).toBe("scripted.db");
    await first.stop();
    await faultOf(client.daemon.getInfo({})).catch(() => {});
    expect(await faultOf(client.daemon.getInfo({}))).toBeInstanceOf(ConnectionError);
    client.close();
  });

  test("what the daemon refuses keeps its code", async () => {
    await using daemon = await startScriptedDaemon();
    const client = createClient({ address: daemon.address });
    // The scripted daemon has no such service.
    expect(await faultOf(client.jobs.getJob({ jobId: "a" }))).toMatchObject({ name: "ConnectError" });
    client.close();
  });
});
