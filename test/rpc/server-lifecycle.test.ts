import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { DaemonError } from "../../src/daemon/core/errors.ts";
import { SILENT_LOGGER } from "../../src/daemon/logger.ts";
import { type ServerOptions, startServer } from "../../src/daemon/server.ts";
import { startHttpWorld } from "../support/http-world.ts";
import { openRawSocket } from "../support/raw-socket.ts";
import { createTestCertificate } from "../support/test-certificate.ts";

function start(options: Partial<ServerOptions>): ReturnType<typeof startServer> {
  const nothing = { routes: () => {}, httpRoutes: new Map(), logger: SILENT_LOGGER };
  return startServer({ host: "127.0.0.1", port: 0, ...nothing, ...options });
}

async function faultOf(options: Partial<ServerOptions>): Promise<DaemonError> {
  try {
    const server = await start(options);
    await server.close(0);
  } catch (error) {
    if (error instanceof DaemonError) return error;
    throw error;
  }
  throw new Error("the server started");
}

describe("an address that cannot be had", () => {
  test("because another program has the port: the fault names it and the way out", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      const fault = await faultOf({ port });
      expect(fault.code).toBe("failed_precondition");
      expect(fault.message).toContain(`127.0.0.1:${port}`);
      expect(fault.message).toContain("the port is in use");
      expect(fault.metadata).toEqual({ address: `127.0.0.1:${port}`, cause: "EADDRINUSE" });
    } finally {
      other.close();
    }
  });

  test("because it is not this machine's, or its name is unknown", async () => {
    expect((await faultOf({ host: "192.0.2.1", insecure: true })).message).toContain("does not have this address");
    expect((await faultOf({ host: "nobody.invalid", insecure: true })).message).toContain("nobody.invalid");
  });

  test("because others can reach it and nothing protects it: the fault names what is missing", async () => {
    const tls = createTestCertificate();
    const token = "a-token-of-some-length";
    const missing = async (options: Partial<ServerOptions>): Promise<string> =>
      (await faultOf({ host: "0.0.0.0", ...options })).message;
    expect(await missing({})).toMatch(/token .* and TLS /);
    expect(await missing({ token })).toMatch(/requires TLS /);
    expect(await missing({ tls })).toMatch(/requires a token /);
    expect(await missing({ token: "" })).toMatch(/token .* and TLS /);
    for (const options of [{ token, tls }, { insecure: true }]) {
      const server = await start({ host: "0.0.0.0", ...options });
      await server.close(0);
    }
  });

  test("because certificate and key are none", async () => {
    expect((await faultOf({ tls: { cert: "nonsense", key: "nonsense" } })).message).toContain("--tls-cert");
  });
});

describe("close", () => {
  test("lets the calls that are under way end, takes no new connection, and closes idle ones", async () => {
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    let calls = 0;
    const slow = async () => {
      calls++;
      await held;
      return { status: 200, contentType: "text/plain", body: "late but whole" };
    };
    const server = await start({ httpRoutes: new Map([["/slow", slow]]) });
    const url = `http://127.0.0.1:${server.port}`;
    using idle = await openRawSocket(server.port);
    idle.write("GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await idle.saw("nothing is served");
    const h1 = fetch(`${url}/slow`);
    const session = connect(url);
    session.on("error", () => {});
    const stream = session.request({ ":path": "/slow" });
    let body = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => (body += chunk));
    await waitUntil(() => calls === 2);

    const closing = server.close(10_000);
    await idle.closed;
    expect(await fetch(`${url}/slow`).catch(() => "refused")).toBe("refused");
    finish();
    const [response] = await Promise.all([h1, once(stream, "end")]);
    expect(await response.text()).toBe("late but whole");
    expect(body).toBe("late but whole");
    const closedAt = performance.now();
    await closing;
    expect(performance.now() - closedAt).toBeLessThan(2_000);
    expect(server.openConnections()).toBe(0);
    session.destroy();
  });

  test("cuts off what does not end within its time", async () => {
    const server = await start({ httpRoutes: new Map([["/never", () => new Promise<never>(() => {})]]) });
    const hanging = fetch(`http://127.0.0.1:${server.port}/never`).then(
      () => "answered",
      () => "cut",
    );
    await waitUntil(() => server.openConnections() === 1);
    const startedAt = performance.now();
    await server.close(200);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await hanging).toBe("cut");
  });

  test("a second call may shorten the time of the first", async () => {
    const server = await start({});
    using raw = await openRawSocket(server.port);
    await waitUntil(() => server.openConnections() === 1);
    raw.write("GET / HT");
    const patient = server.close(60_000);
    await server.close(0);
    await patient;
    expect(server.openConnections()).toBe(0);
  });

  test("P17: streams end with UNAVAILABLE when the daemon drains, so that their clients connect again", async () => {
    await using world = await startHttpWorld();
    const client = createClient(JobService, createGrpcTransport({ baseUrl: world.url }));
    const jobId = await world.world.enqueue("a:b");
    const endOf = async (messages: AsyncIterable<unknown>): Promise<ConnectError | null> => {
      try {
        for await (const _ of messages);
        return null;
      } catch (error) {
        return ConnectError.from(error);
      }
    };
    const ends = [endOf(client.awaitJobs({ jobIds: [jobId] })), endOf(client.watchJobs({}))];
    await waitUntil(() => world.world.engine.changes.isWatched);
    await client.getJob({ jobId });
    world.drain();
    for (const end of await Promise.all(ends)) expect(end?.code).toBe(Code.Unavailable);
    expect(await (await fetch(`${world.url}/readyz`)).json()).toEqual({
      ready: false,
      reasons: ["the daemon is stopping"],
    });
    expect((await fetch(`${world.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
  });
});

describe("readiness", () => {
  test("is denied with the reason while the store does not answer", async () => {
    await using world = await startHttpWorld();
    expect((await fetch(`${world.url}/readyz`)).status).toBe(200);
    await world.world.engine.store.close();
    const response = await fetch(`${world.url}/readyz`);
    expect(response.status).toBe(503);
    expect(JSON.stringify(await response.json())).toContain("the store does not answer");
  });
});

describe("idleness", () => {
  test("is told each time that the last connection has closed", async () => {
    const server = await start({});
    let told = 0;
    const off = server.onIdle(() => told++);
    for (let round = 1; round <= 2; round++) {
      using first = await openRawSocket(server.port);
      using second = await openRawSocket(server.port);
      await waitUntil(() => server.openConnections() === 2);
      first.socket.destroy();
      await waitUntil(() => server.openConnections() === 1);
      expect(told).toBe(round - 1);
      second.socket.destroy();
      await waitUntil(() => server.openConnections() === 0);
      expect(told).toBe(round);
    }
    off();
    await server.close(0);
  });
});

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
