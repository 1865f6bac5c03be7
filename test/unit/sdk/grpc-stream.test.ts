import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { constants, type ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { GrpcFrameReader, writeGrpcFrame } from "#proto/wire/grpc-frames.ts";
import { reseolioErrorFrom } from "../../../src/sdk/transport/connect-errors.ts";
import { createTransport } from "../../../src/sdk/transport/transport.ts";
import { checkout } from "../../support/executable.ts";
import { runOrThrow } from "../../support/run-command.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { createTestCertificate } from "../../support/test-certificate.ts";
import { type Call, type CallResult, makeCalls } from "./grpc-caller.ts";
import { type GrpcPeer, type PeerScript, respond, startGrpcPeer } from "./grpc-peer.ts";
import { until } from "./waiting.ts";

const GRPC = { ":status": 200, "content-type": "application/grpc+proto" };
const OK = { "grpc-status": "0" };

/** Sends back each message, and ends with OK when the client has finished. */
const echo: PeerScript = (stream) => {
  respond(stream, OK);
  const reader = new GrpcFrameReader(1_000_000);
  stream.on("data", (chunk: Uint8Array) => reader.push(chunk, (message) => stream.write(writeGrpcFrame(message))));
  stream.on("end", () => stream.end());
};

/** Sends one message, then ends with these trailers. */
function endsWith(trailers: Readonly<Record<string, string>>): PeerScript {
  return (stream) => {
    respond(stream, trailers);
    stream.end(writeGrpcFrame(Buffer.from("before")));
  };
}

/** Sends one message and, when the client has had the time to read it, resets the stream. */
function resetsWith(code: number): PeerScript {
  return (stream) => {
    respond(stream, null);
    stream.write(writeGrpcFrame(Buffer.from("before")));
    stream.on("data", () => stream.close(code));
  };
}

function answersWith(headers: Record<string, string | number>, body = ""): PeerScript {
  return (stream) => {
    stream.respond(headers, { endStream: body === "" });
    if (body !== "") stream.end(body);
  };
}

interface Case extends Call {
  readonly behaviour: string;
  readonly peer: PeerScript;
  readonly received?: readonly string[];
  /** Code of the error and a part of its message. */
  readonly fault: readonly [code: string, message: string] | null;
}

const long = Array.from({ length: 2_000 }, (_, index) => `${index}:${"x".repeat((index * 37) % 700)}`);

const cases: readonly Case[] = [
  {
    behaviour: "messages arrive whole and in order, and OK is a good end",
    path: "/t/echo",
    peer: echo,
    messages: ["", "one", "", "y".repeat(300_000), ...long],
    finishes: true,
    received: ["", "one", "", "y".repeat(300_000), ...long],
    fault: null,
  },
  {
    behaviour: "a message that comes a byte at a time is one message",
    path: "/t/dripping",
    peer: async (stream) => {
      respond(stream, OK);
      for (const byte of writeGrpcFrame(Buffer.from("drip"))) {
        await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
      }
      stream.end();
    },
    received: ["drip"],
    fault: null,
  },
  {
    behaviour: "an error in the trailers keeps its code and text, after the messages before it",
    path: "/t/trailers",
    peer: endsWith({ "grpc-status": "8", "grpc-message": "zu viele: 100%25 gr%C3%B6%C3%9Fer" }),
    received: ["before"],
    fault: ["resource_exhausted", "zu viele: 100% größer"],
  },
  {
    behaviour: "a text that is not percent-encoded is taken as it is",
    path: "/t/raw-text",
    peer: endsWith({ "grpc-status": "3", "grpc-message": "100% wrong" }),
    received: ["before"],
    fault: ["invalid_argument", "100% wrong"],
  },
  {
    behaviour: "an answer of trailers only is an error too",
    path: "/t/refused",
    peer: answersWith({ ...GRPC, "grpc-status": "16", "grpc-message": "wrong%20token" }),
    messages: ["hello"],
    fault: ["unauthenticated", "wrong token"],
  },
  {
    behaviour: "unavailable by status is a daemon that is unavailable",
    path: "/t/unavailable",
    peer: answersWith({ ...GRPC, "grpc-status": "14", "grpc-message": "draining" }),
    fault: ["connection", "is unavailable: draining"],
  },
  {
    behaviour: "a status that is none is a fault",
    path: "/t/odd-status",
    peer: endsWith({ "grpc-status": "99" }),
    received: ["before"],
    fault: ["internal", "invalid grpc-status: 99"],
  },
  {
    behaviour: "HTTP 401 is unauthenticated",
    path: "/t/401",
    peer: answersWith({ ":status": 401, "content-type": "text/plain" }, "who are you"),
    fault: ["unauthenticated", "HTTP 401"],
  },
  {
    behaviour: "HTTP 503 is a connection's fault",
    path: "/t/503",
    peer: answersWith({ ":status": 503, "content-type": "text/plain" }, "busy"),
    fault: ["connection", "HTTP 503"],
  },
  {
    behaviour: "a web page is no answer",
    path: "/t/html",
    peer: answersWith({ ":status": 200, "content-type": "text/html" }, "<html>"),
    fault: ["connection", "unsupported content type text/html"],
  },
  {
    behaviour: "a compressed answer is refused by its header",
    path: "/t/gzip",
    peer: answersWith({ ...GRPC, "grpc-encoding": "gzip" }, "x"),
    fault: ["connection", 'unsupported response encoding "gzip"'],
  },
  {
    behaviour: "a compressed message is refused",
    path: "/t/compressed",
    peer: (stream) => {
      respond(stream, null);
      stream.write(Buffer.of(1, 0, 0, 0, 1, 9));
    },
    fault: ["connection", "a message is compressed"],
  },
  {
    behaviour: "a message beyond the limit is refused before it has come",
    path: "/t/oversize",
    peer: (stream) => {
      respond(stream, null);
      stream.write(Buffer.of(0, 1, 0, 0, 0, 9));
    },
    fault: ["resource_exhausted", "a message is 16777216 bytes long"],
  },
  {
    behaviour: "an end without a status is a broken connection",
    path: "/t/no-status",
    peer: (stream) => {
      respond(stream, null);
      stream.end(writeGrpcFrame(Buffer.from("before")));
    },
    received: ["before"],
    fault: ["connection", "without a status"],
  },
  {
    behaviour: "OK in the middle of a message is a broken connection",
    path: "/t/truncated",
    peer: (stream) => {
      respond(stream, OK);
      stream.end(Buffer.of(0, 0, 0, 0, 9, 1));
    },
    fault: ["connection", "8 bytes before its message"],
  },
  {
    behaviour: "a reset is a broken connection",
    path: "/t/reset",
    peer: resetsWith(constants.NGHTTP2_INTERNAL_ERROR),
    messages: ["go"],
    received: ["before"],
    fault: ["connection", "INTERNAL_ERROR"],
  },
  {
    behaviour: "so is a cancel by the peer",
    path: "/t/cancel",
    peer: resetsWith(constants.NGHTTP2_CANCEL),
    messages: ["go"],
    received: ["before"],
    fault: ["connection", "the connection to"],
  },
  {
    behaviour: "a refused stream is a daemon that is unavailable",
    path: "/t/refused-stream",
    peer: resetsWith(constants.NGHTTP2_REFUSED_STREAM),
    messages: ["go"],
    received: ["before"],
    fault: ["connection", "is unavailable"],
  },
  {
    behaviour: "a peer that asks for calm is one of exhausted resources",
    path: "/t/calm",
    peer: resetsWith(constants.NGHTTP2_ENHANCE_YOUR_CALM),
    messages: ["go"],
    received: ["before"],
    fault: ["resource_exhausted", "ENHANCE_YOUR_CALM"],
  },
  {
    behaviour: "a connection that is cut is a broken one, and the next call opens another",
    path: "/t/cut",
    peer: (stream, _headers, cut) => {
      respond(stream, null);
      stream.write(writeGrpcFrame(Buffer.from("before")));
      stream.on("data", cut);
    },
    messages: ["go"],
    received: ["before"],
    fault: ["connection", "the connection to"],
  },
  {
    behaviour: "a peer that is going away finishes the calls that it has",
    path: "/t/goaway",
    peer: (stream) => {
      respond(stream, OK);
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR);
      stream.on("data", () => stream.write(writeGrpcFrame(Buffer.from("still here"))));
      stream.on("end", () => stream.end());
    },
    messages: ["go"],
    finishes: true,
    received: ["still here"],
    fault: null,
  },
];

/** What a call should come to, in terms of what it came to. */
function expectOutcome(result: CallResult | undefined, { received, fault }: Case): void {
  expect(result?.messages ?? null).toEqual([...(received ?? [])]);
  if (fault === null) {
    expect(result?.fault).toBeNull();
    return;
  }
  expect(result?.fault?.code).toBe(fault[0]);
  expect(result?.fault?.message).toContain(fault[1]);
}

const scripts = Object.fromEntries(cases.map(({ path, peer }) => [path, peer]));
const calls = cases.map(({ path, messages = [], finishes = false }) => ({ path, messages, finishes }));
const certificate = createTestCertificate();
const secure = { tls: { ca: certificate.cert, serverName: "localhost" } };

let dir: TempDir;
let program: string;
beforeAll(async () => {
  dir = await tempDir("reseolio-grpc-");
  program = dir.file("caller.mjs");
  const source = join(checkout, "test/unit/sdk/grpc-caller.ts");
  await runOrThrow([process.execPath, "build", "--target", "node", source, "--outfile", program], { cwd: checkout });
});
afterAll(() => dir[Symbol.asyncDispose]());

async function makeCallsOnNode(options: object): Promise<CallResult[]> {
  const task = dir.file("task.json");
  await Bun.write(task, JSON.stringify({ options, calls }));
  return JSON.parse(await runOrThrow(["node", program, task], { cwd: dir.path }));
}

const runs: Readonly<Record<string, (peer: GrpcPeer) => Promise<CallResult[]>>> = {
  "on this runtime": ({ address }) => makeCalls({ address }, calls),
  "on this runtime, over TLS": ({ address }) => makeCalls({ address, ...secure }, calls),
  "on Node": ({ address }) => makeCallsOnNode({ address }),
  "on Node, over TLS": ({ address }) => makeCallsOnNode({ address, ...secure }),
};

for (const [where, run] of Object.entries(runs)) {
  describe(`the bare stream ${where}`, () => {
    let results: CallResult[] = [];
    beforeAll(async () => {
      await using peer = await startGrpcPeer(scripts, where.endsWith("TLS") ? certificate : undefined);
      results = await run(peer);
    }, 30_000);
    for (const [index, one] of cases.entries()) test(one.behaviour, () => expectOutcome(results[index], one));
  });
}

describe("the bare stream", () => {
  test("asks as gRPC, with the token, for answers that are not compressed", async () => {
    await using peer = await startGrpcPeer({
      "/t/headers": (stream, headers) => {
        respond(stream, OK);
        stream.end(writeGrpcFrame(Buffer.from(JSON.stringify(headers))));
      },
    });
    const [result] = await makeCalls({ address: peer.address, token: "secret" }, [{ path: "/t/headers" }]);
    expect(JSON.parse(result?.messages[0] ?? "{}")).toMatchObject({
      ":method": "POST",
      "content-type": "application/grpc+proto",
      te: "trailers",
      authorization: "Bearer secret",
      "grpc-accept-encoding": "identity",
      "user-agent": expect.stringContaining("reseolio"),
    });
  });

  test("tells the peer of an abort, and hears no more", async () => {
    await using peer = await startGrpcPeer({
      "/t/chatty": (stream) => {
        respond(stream, null);
        stream.write(Buffer.concat([writeGrpcFrame(Buffer.from("one")), writeGrpcFrame(Buffer.from("two"))]));
      },
    });
    const transport = createTransport({ address: peer.address });
    const events: string[] = [];
    const stream = transport.openStream("/t/chatty", {
      onMessage: (bytes) => {
        events.push(Buffer.from(bytes).toString());
        stream.abort();
      },
      onEnd: () => events.push("end"),
    });
    await stream.ended;
    await until(() => peer.closedWith.has("/t/chatty"));
    expect(peer.closedWith.get("/t/chatty")).toBe(constants.NGHTTP2_CANCEL);
    stream.send(Buffer.from("into nothing"));
    stream.finish();
    stream.abort();
    expect(events).toEqual(["one"]);
    transport.close();
  });

  test("that is aborted before it was open leaves nothing open", async () => {
    await using peer = await startGrpcPeer({
      "/t/early": (stream) => respond(stream, null),
      "/t/after": (stream) => respond(stream, null),
    });
    const transport = createTransport({ address: peer.address });
    let events = 0;
    const count = { onMessage: () => events++, onEnd: () => events++ };
    const early = transport.openStream("/t/early", count);
    early.send(Buffer.from("never"));
    early.abort();
    await early.ended;
    // On the same connection, so that what the first one had to say was said before.
    const after = transport.openStream("/t/after", count);
    await until(() => peer.opened.has("/t/after"));
    await until(() => peer.opened.has("/t/early") === peer.closedWith.has("/t/early"));
    expect(events).toBe(0);
    after.abort();
    transport.close();
  });

  test("that is refused while messages are being sent ends with the refusal, not with a broken pipe", async () => {
    await using peer = await startGrpcPeer({
      "/t/mid": (stream: ServerHttp2Stream) => {
        respond(stream, { "grpc-status": "3", "grpc-message": "enough" });
        stream.once("data", () => {
          stream.end();
          stream.resume();
          stream.once("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
        });
      },
    });
    for (let round = 0; round < 10; round++) {
      const messages = Array.from({ length: 200 }, () => "z".repeat(2_000));
      const [result] = await makeCalls({ address: peer.address }, [{ path: "/t/mid", messages }]);
      expect(result?.fault).toEqual({ code: "invalid_argument", message: "enough" });
    }
  });

  test("with nobody there says how to start a daemon; with a stranger's certificate, what to do", async () => {
    const gone = await startGrpcPeer({});
    await gone[Symbol.asyncDispose]();
    const [nobody] = await makeCalls({ address: gone.address }, [{ path: "/t/x" }]);
    expect(nobody?.fault).toMatchObject({ code: "connection", message: expect.stringContaining("reseolio serve") });
    await using peer = await startGrpcPeer({ "/t/x": echo }, certificate);
    const [stranger] = await makeCalls({ address: peer.address, tls: true }, [{ path: "/t/x" }]);
    expect(stranger?.fault).toMatchObject({ code: "connection", message: expect.stringContaining("tls: { ca }") });
  });

  test("closed with its transport ends as a broken connection", async () => {
    await using peer = await startGrpcPeer({ "/t/open": (stream) => respond(stream, null) });
    const transport = createTransport({ address: peer.address });
    let fault: unknown;
    const stream = transport.openStream("/t/open", { onMessage: () => {}, onEnd: (error) => (fault = error) });
    // An answer of another call on the same connection: it is open now.
    stream.send(Buffer.from("x"));
    await until(() => peer.opened.has("/t/open"));
    transport.close();
    await stream.ended;
    expect(reseolioErrorFrom(fault)).toMatchObject({ code: "connection" });
  });

  test("whose messages cannot be read ends with what was wrong, and the peer is told", async () => {
    await using peer = await startGrpcPeer({
      "/t/garbage": (stream) => {
        respond(stream, null);
        stream.write(writeGrpcFrame(Buffer.from("garbage")));
      },
    });
    const transport = createTransport({ address: peer.address });
    const fault = await new Promise<unknown>((resolve) => {
      transport.openStream("/t/garbage", {
        onMessage: () => {
          throw new RangeError("a message ends inside a field");
        },
        onEnd: resolve,
      });
    });
    expect(reseolioErrorFrom(fault)).toMatchObject({
      code: "connection",
      message: expect.stringContaining("cannot read a response: a message ends inside a field"),
    });
    await until(() => peer.closedWith.has("/t/garbage"));
    expect(peer.closedWith.get("/t/garbage")).toBe(constants.NGHTTP2_CANCEL);
    transport.close();
  });
});
