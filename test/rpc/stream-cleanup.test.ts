import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "bun:test";
import { Health } from "#proto/gen/grpc/health/v1/health_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { SessionRequestSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { DaemonError } from "../../src/daemon/core/errors.ts";
import { ClientSession } from "../../src/daemon/rpc/session/client-session.ts";
import { StreamBuffer } from "../../src/daemon/rpc/streams/stream-buffer.ts";
import { createEngineWorld } from "../support/engine-world.ts";
import { type HttpWorld, startHttpWorld, TEST_INFO } from "../support/http-world.ts";

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
};

/** Who listens to the feed, by the counts that tests can see. */
function countListeners(world: HttpWorld): { watchers: () => boolean; awaiters: () => number } {
  const { changes } = world.world.engine;
  let awaiters = 0;
  const { onceEnded } = changes;
  changes.onceEnded = (jobId, listener) => {
    awaiters++;
    const off = onceEnded.call(changes, jobId, listener);
    return () => {
      awaiters--;
      off();
    };
  };
  return { watchers: () => changes.isWatched, awaiters: () => awaiters };
}

describe("a client that goes away", () => {
  for (const [name, createTransport] of Object.entries(transports)) {
    test(`takes its server streams with it: ${name}`, async () => {
      await using world = await startHttpWorld();
      const { watchers, awaiters } = countListeners(world);
      const jobId = await world.world.enqueue("a:b");
      const client = createClient(JobService, createTransport(world.url));
      for (let round = 0; round < 20; round++) {
        const abort = new AbortController();
        const ends = [
          drainQuietly(client.watchJobs({}, { signal: abort.signal })),
          drainQuietly(client.awaitJobs({ jobIds: [jobId] }, { signal: abort.signal })),
        ];
        await waitUntil(() => watchers() && awaiters() === 1);
        abort.abort();
        await Promise.all(ends);
        await waitUntil(() => !watchers() && awaiters() === 0);
      }
      expect(world.logged.filter((line) => line.level !== "debug")).toEqual([]);
    });

    test(`and whose deadline passes does the same: ${name}`, async () => {
      await using world = await startHttpWorld();
      const { watchers } = countListeners(world);
      const client = createClient(JobService, createTransport(world.url));
      await drainQuietly(client.watchJobs({}, { timeoutMs: 100 }));
      await waitUntil(() => !watchers());
    });
  }

  test("in the middle of a health watch leaves no timer of its own behind", async () => {
    await using world = await startHttpWorld();
    const health = createClient(Health, createGrpcTransport({ baseUrl: world.url }));
    const abort = new AbortController();
    const messages = health.watch({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await messages.next();
    const next = messages.next().catch(() => "ended");
    abort.abort();
    expect(await next).toBe("ended");
  });
});

describe("a client that does not read", () => {
  test("is told that it fell behind, and nothing more is kept for it", async () => {
    const buffer = new StreamBuffer<number>(3, () => new DaemonError("resource_exhausted", "too slow"));
    buffer.push(1, 2);
    buffer.push(3);
    expect(await buffer.take(2)).toEqual([1, 2]);
    buffer.push(4, 5);
    buffer.push(6);
    buffer.push(7);
    await expect(buffer.take(10)).rejects.toThrow("too slow");
    await expect(buffer.take(10)).rejects.toThrow("too slow");
  });

  test("has the ends of the jobs that it awaits kept in the store, not in memory, and gets each once when it reads", async () => {
    await using world = await createEngineWorld();
    const hello = create(SessionRequestSchema, { hello: { workerId: "slow", concurrency: 0 } });
    const connection = new ClientSession(world.engine, TEST_INFO, hello);
    await connection.open(hello);
    const jobIds = await Promise.all(Array.from({ length: 80 }, () => world.enqueue("a:b")));
    connection.receive(create(SessionRequestSchema, { frameId: 1, awaitJobIds: jobIds }));
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 80 });
    await worker.assignedCount(80);
    const result = new Uint8Array(1024 * 1024);
    for (const job of worker.assigned) await worker.report(job, { kind: "succeed", result });
    expect(connection.outbox.isOverfull).toBe(false);
    const read: string[] = [];
    for await (const frame of connection.outbox.frames()) {
      read.push(...frame.finished.map(({ jobId }) => jobId));
      if (read.length >= 80) break;
    }
    expect(read.sort()).toEqual(jobIds.sort());
    expect(world.engine.changes.awaitedJobIds).toEqual([]);
    connection.close();
  });

  test("gets what came before a fault, then the first fault", async () => {
    const buffer = new StreamBuffer<number>(3, () => new DaemonError("resource_exhausted", "too slow"));
    buffer.push(1);
    buffer.fail(new Error("first"));
    buffer.fail(new Error("second"));
    buffer.push(2);
    expect(await buffer.take(10)).toEqual([1]);
    await expect(buffer.take(10)).rejects.toThrow("first");
  });
});

async function drainQuietly(messages: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of messages);
  } catch {
    // The way it ends is not what is looked at.
  }
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
