import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectSocket } from "node:net";
import { connect as connectTls } from "node:tls";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { ServerLimits } from "../../src/daemon/http/server-limits.ts";
import { type HttpWorld, startHttpWorld } from "../support/http-world.ts";
import { headersFrame, PREFACE, resetFrame, settingsFrame } from "../support/http2-frames.ts";
import { openRawSocket, type RawSocket } from "../support/raw-socket.ts";
import { createTestCertificate } from "../support/test-certificate.ts";

/** Each limit has its own length, so that a test sees which one fell. */
const SHORT: Partial<ServerLimits> = { firstByteMs: 150, headersMs: 300, bodyMs: 450, idleMs: 600, http2IdleMs: 750 };
/** Later than this after its time, a deadline did not come on its own account. */
const SLACK_MS = 250;

/** Writes one byte of the text every few milliseconds, for ever: a peer that is never silent and never done. */
function drip(raw: RawSocket, text: string): void {
  let next = 0;
  const timer = setInterval(() => raw.write(text[next++ % text.length] ?? ""), 20);
  void raw.closed.then(() => clearInterval(timer));
}

async function expectClosedAfter(raw: RawSocket, ms: number): Promise<void> {
  const after = await raw.closed;
  expect(after).toBeGreaterThanOrEqual(ms - 20);
  expect(after).toBeLessThan(ms + SLACK_MS);
}

describe("a connection is dropped", () => {
  test("when it says nothing", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    using raw = await openRawSocket(world.port);
    await expectClosedAfter(raw, 150);
  });

  test("when it says too little to tell its protocol", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    using raw = await openRawSocket(world.port);
    raw.write("PR");
    await expectClosedAfter(raw, 150);
  });

  test("when its headers drip", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    using raw = await openRawSocket(world.port);
    raw.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
    drip(raw, "X-A: b\r\n");
    await expectClosedAfter(raw, 300);
  });

  test("when its body drips", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    using raw = await openRawSocket(world.port);
    raw.write(
      "POST /reseolio.v1.JobService/ListJobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n",
    );
    drip(raw, " ");
    await expectClosedAfter(raw, 450);
  });

  test("when it is idle between requests, or drips the next one's headers", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    using idle = await openRawSocket(world.port);
    using dripping = await openRawSocket(world.port);
    for (const raw of [idle, dripping]) {
      raw.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await raw.saw("ok");
    }
    dripping.write("GET /healthz HTTP/1.1\r\n");
    drip(dripping, "X-A: b\r\n");
    await Promise.all([expectClosedAfter(idle, 600), expectClosedAfter(dripping, 600)]);
  });

  test("when it begins HTTP/2 and does not go on", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    using raw = await openRawSocket(world.port);
    raw.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await expectClosedAfter(raw, 300);
  });

  test("when an HTTP/2 connection has no stream for long", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    await using client = await openHttp2(world);
    const openedAt = performance.now();
    await once(client.session, "close");
    expect(performance.now() - openedAt).toBeGreaterThan(700);
  });

  test("when it never ends its TLS handshake", async () => {
    const tls = createTestCertificate();
    await using world = await startHttpWorld({ limits: SHORT, tls });
    using raw = await openRawSocket(world.port);
    await expectClosedAfter(raw, 150);
  });

  test("when it sends what is no HTTP, and the server goes on", async () => {
    await using world = await startHttpWorld({ limits: SHORT });
    for (const garbage of [
      "\r\n\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01",
      "PRI * HTTP/1.1\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
    ]) {
      using raw = await openRawSocket(world.port);
      raw.write(garbage);
      expect(await raw.closed).toBeLessThan(300 + SLACK_MS);
    }
    expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
    expect(world.logged.filter((line) => line.level === "error")).toEqual([]);
  });
});

describe("a refused call", () => {
  const path = "/reseolio.v1.SessionService/Session";

  test("does not keep its stream, though its client would send for ever", async () => {
    await using world = await startHttpWorld();
    await using client = await openHttp2(world);
    for (const type of ["application/grpc", "application/connect+proto"]) {
      const stream = client.open(path, { ":authority": "evil.example", "content-type": type });
      stream.resume();
      await once(stream, "close");
    }
  });

  test("does not keep its HTTP/1 connection either", async () => {
    await using world = await startHttpWorld();
    for (const type of ["application/grpc-web", "application/json", "text/plain"]) {
      using raw = await openRawSocket(world.port);
      raw.write(`POST ${path} HTTP/1.1\r\nHost: evil\r\nContent-Type: ${type}\r\nContent-Length: 99999999\r\n\r\n`);
      await raw.closed;
      expect(raw.received).toMatch(/grpc-status: 7|"code":"permission_denied"/);
    }
  });
});

describe("a connection is kept", () => {
  const limits = { ...SHORT, idleMs: 300, http2IdleMs: 300, bodyMs: 300 };
  const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
    "HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    "HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  };
  for (const [name, createTransport] of Object.entries(transports)) {
    test(`while a call is under way, also after another one on it has ended: ${name}`, async () => {
      await using world = await startHttpWorld({ limits });
      const jobId = await world.world.enqueue("a:b");
      const client = createClient(JobService, createTransport(world.url));
      const messages = client.watchJobs({})[Symbol.asyncIterator]();
      await messages.next();
      await client.getJob({ jobId });
      // Longer than every limit: only a change made after it proves that the stream still lives.
      await Bun.sleep(900);
      await client.cancelJob({ jobId });
      expect((await messages.next()).value?.changes).toMatchObject([{ jobId, state: JobState.CANCELLED }]);
      await messages.return?.();
    });
  }
});

describe("a flood", () => {
  test("of connections is refused beyond the limit, and those that are open go on", async () => {
    await using world = await startHttpWorld({ limits: { connections: 5 } });
    const opened = await Promise.all(Array.from({ length: 5 }, () => openRawSocket(world.port)));
    for (const raw of opened) raw.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await Promise.all(opened.map((raw) => raw.saw("ok")));
    using sixth = await openRawSocket(world.port);
    expect(await sixth.closed).toBeLessThan(1_000);
    expect(world.server.openConnections()).toBe(5);
    expect(world.logged.map((line) => line.message)).toContain("refused connections: limit reached");
    opened[0]![Symbol.dispose]();
    await opened[0]!.closed;
    await waitUntil(() => world.server.openConnections() === 4);
    using seventh = await openRawSocket(world.port);
    seventh.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await seventh.saw("ok");
    for (const raw of opened) raw[Symbol.dispose]();
  });

  test("of reset streams ends its connection and no other", async () => {
    await using world = await startHttpWorld({ limits: { resetsPer10s: 100 } });
    await using innocent = await openHttp2(world);
    using attacker = await openRawSocket(world.port);
    attacker.write(Buffer.concat([PREFACE, settingsFrame()]));
    const path = "/reseolio.v1.JobService/WatchJobs";
    let streamId = 1;
    while (!attacker.socket.destroyed && streamId < 4_000) {
      attacker.write(Buffer.concat([headersFrame(streamId, "localhost", path), resetFrame(streamId)]));
      streamId += 2;
      if (streamId % 50 === 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await attacker.closed;
    const stream = innocent.open("/healthz", { ":method": "GET" });
    const [headers] = await once(stream, "response");
    expect(headers[":status"]).toBe(200);
    const warnings = world.logged.filter((line) => line.level === "warn");
    expect(warnings.map((line) => line.message)).toEqual(["dropped connection: too many stream resets"]);
  });

  test("of streams on one connection is held at the limit", async () => {
    await using world = await startHttpWorld({ limits: { streamsPerConnection: 3 } });
    await using client = await openHttp2(world);
    expect(client.session.remoteSettings.maxConcurrentStreams).toBe(3);
  });

  test("of bytes that say nothing is not kept in memory", async () => {
    await using world = await startHttpWorld();
    const floodBytes = 512 * 1024 * 1024;
    const chunk = new Uint8Array(64 * 1024);
    const { hostname, port } = new URL(world.url);
    // A socket of its own: it goes on whatever is answered, and keeps no copy in this process.
    const socket = connectSocket(Number(port), hostname);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {}).resume();
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    socket.write(`POST /nothing HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-length: ${floodBytes}\r\n\r\n`);
    for (let sent = 0; sent < floodBytes && !socket.destroyed; sent += chunk.byteLength) {
      if (!socket.write(chunk)) await Promise.race([once(socket, "drain"), closed]);
    }
    // Garbage of both ends grows to some 100 MB before it is collected, however long the flood is.
    expect(process.memoryUsage.rss() - before).toBeLessThan(floodBytes / 4);
    socket.destroy();
  });
});

describe("TLS", () => {
  test("speaks both protocols by ALPN, takes no plain text, and its certificate's names are ours", async () => {
    const tls = createTestCertificate(["localhost", "jobs.example.com"]);
    await using world = await startHttpWorld({ tls });
    const answers = await Promise.all(
      ["h2", "http/1.1"].map(async (protocol) => {
        const socket = connectTls({
          port: world.port,
          host: "127.0.0.1",
          ALPNProtocols: [protocol],
          ca: tls.cert,
          servername: "localhost",
        });
        await once(socket, "secureConnect");
        const { alpnProtocol } = socket;
        socket.destroy();
        return alpnProtocol;
      }),
    );
    expect(answers).toEqual(["h2", "http/1.1"]);
    const get = (host: string): Promise<Response> =>
      fetch(`${world.url}/healthz`, { headers: { host }, tls: { ca: tls.cert, serverName: "localhost" } });
    expect((await get("jobs.example.com")).status).toBe(200);
    expect((await get("evil.example")).status).toBe(403);
    using plain = await openRawSocket(world.port);
    plain.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await plain.closed;
    expect(plain.received).not.toContain("ok");
  });

  test("carries gRPC, ends idle connections of it, and keeps those with a stream", async () => {
    const tls = createTestCertificate();
    await using world = await startHttpWorld({ tls, limits: { http2IdleMs: 300 } });
    const nodeOptions = { ca: tls.cert };
    const client = createClient(JobService, createGrpcTransport({ baseUrl: world.url, nodeOptions }));
    const jobId = await world.world.enqueue("a:b");
    const abort = new AbortController();
    const messages = client.watchJobs({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await messages.next();
    await client.getJob({ jobId });
    // Longer than the limit: only a change made after it proves that the stream still lives.
    await Bun.sleep(700);
    await client.cancelJob({ jobId });
    expect((await messages.next()).value?.changes).toMatchObject([{ jobId }]);
    abort.abort();
    await waitUntil(() => world.server.openConnections() === 0);
  });
});

interface Http2Client extends AsyncDisposable {
  readonly session: ClientHttp2Session;
  open(path: string, headers?: Record<string, string>): ClientHttp2Stream;
}

async function openHttp2(world: HttpWorld): Promise<Http2Client> {
  const session = connect(world.url);
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return {
    session,
    open: (path, headers = {}) => {
      const stream = session.request({ ":method": "POST", ":path": path, ...headers });
      stream.on("error", () => {});
      return stream;
    },
    [Symbol.asyncDispose]: async () => {
      if (session.destroyed) return;
      const closed = once(session, "close");
      session.destroy();
      await closed;
    },
  };
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
