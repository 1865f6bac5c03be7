import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import {
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { Health } from "#proto/gen/grpc/health/v1/health_pb.ts";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { type HttpWorld, startHttpWorld } from "../support/http-world.ts";

const PROTO_DIR = join(import.meta.dir, "../../proto");

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-web over HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  "gRPC-web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect, binary, over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  "Connect, binary, over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect, JSON, over HTTP/2": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  "Connect, JSON, over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, useHttpGet: true }),
  "gRPC with compressed requests": (baseUrl) =>
    createGrpcTransport({ baseUrl, sendCompression: compressionGzip, compressMinBytes: 1 }),
};

describe("one port speaks", () => {
  for (const [name, createTransport] of Object.entries(transports)) {
    test(`${name}: calls, streams, and errors with details`, async () => {
      await using world = await startHttpWorld();
      await callStreamAndFail(world, createClient(JobService, createTransport(world.url)));
    });
  }
});

async function callStreamAndFail(world: HttpWorld, client: Client<typeof JobService>): Promise<void> {
  const args = new TextEncoder().encode(JSON.stringify(["ünï", "x".repeat(5_000)]));
  const { results } = await client.enqueueJobs({ jobs: [{ functionName: "a:b", args }] });
  const jobId = results[0]?.result.case === "job" ? results[0].result.value.jobId : "";
  const { job } = await client.getJob({ jobId });
  expect(job).toMatchObject({ functionName: "a:b", state: JobState.PENDING });
  expect(job?.args).toEqual(args);

  const ends = client.awaitJobs({ jobIds: [jobId] })[Symbol.asyncIterator]();
  const end = ends.next();
  await client.cancelJob({ jobId });
  expect((await end).value?.job?.state).toBe(JobState.CANCELLED);
  expect((await ends.next()).done).toBe(true);

  const fault = await client.getJob({ jobId: "019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a" }).then(
    () => null,
    (error: unknown) => ConnectError.from(error),
  );
  expect(fault?.code).toBe(Code.NotFound);
  expect(fault?.rawMessage).toContain("019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a");
  expect(fault?.details.map((detail) => ("type" in detail ? detail.type : ""))).toEqual(["google.rpc.ErrorInfo"]);
  expect(world.logged.filter((line) => line.level === "error")).toEqual([]);
}

describe("a refusal is told in the language of the caller", () => {
  for (const [name, createTransport] of Object.entries(transports)) {
    test(name, async () => {
      await using world = await startHttpWorld({ token: "a-token-of-some-length" });
      const client = createClient(JobService, createTransport(world.url));
      const fault = await client.listJobs({}).then(
        () => null,
        (error: unknown) => ConnectError.from(error),
      );
      expect(fault?.code).toBe(Code.Unauthenticated);
      expect(fault?.rawMessage).toContain("authorization: Bearer TOKEN");
    });
  }
});

describe("plain JSON by POST, as curl sends it", () => {
  test("stores, and names the fault of each item that was not stored", async () => {
    await using world = await startHttpWorld();
    const response = await world.post("JobService/EnqueueJobs", {
      jobs: [{ functionName: "a:b", args: btoa("[1]") }, { functionName: "" }],
    });
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as { results: Record<string, unknown>[] };
    expect(results[0]).toMatchObject({ job: { jobId: expect.stringMatching(/^[0-9a-f-]{36}$/) } });
    expect(JSON.stringify(results[1])).toContain("jobs[1].function_name");
  });

  test("with a slip in a field's name, malformed JSON or an unknown enum value is told what is wrong", async () => {
    await using world = await startHttpWorld();
    const faultOf = async (body: string): Promise<string> => {
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${world.url}/reseolio.v1.JobService/EnqueueJobs`, {
        method: "POST",
        headers,
        body,
      });
      expect(response.status).toBe(400);
      return await response.text();
    };
    expect(await faultOf('{"jobs":[{"functionNam":"a:b"}]}')).toContain("functionNam");
    expect(await faultOf('{"jobs":[')).toContain("invalid_argument");
    expect(await faultOf('{"jobs":[{"functionName":"a:b","options":{"backoff":"BACKOFF_CUBIC"}}]}')).toContain("CUBIC");
    expect(await faultOf('{"jobs":[{"functionName":"a:b","options":{"backoff":77}}]}')).toContain(
      "jobs[0].options.backoff",
    );
    expect(await world.world.engine.store.jobs.count()).toEqual([]);
  });

  test("at a path that does not exist gets 404 and a sentence; a known path with a wrong method 405", async () => {
    await using world = await startHttpWorld();
    const missing = await world.post("JobService/Nothing", {});
    expect(missing.status).toBe(404);
    expect(await missing.text()).toContain("nothing is served at");
    expect((await fetch(`${world.url}/healthz`, { method: "POST", body: "x" })).status).toBe(405);
    expect((await fetch(`${world.url}/reseolio.v1.JobService/ListJobs`)).status).not.toBe(200);
  });

  test("with pipelined and keep-alive requests is answered in order", async () => {
    await using world = await startHttpWorld();
    const responses = await Promise.all(Array.from({ length: 50 }, () => world.post("JobService/ListJobs", {})));
    expect(new Set(responses.map((response) => response.status))).toEqual(new Set([200]));
  });
});

describe("P19: a message that is too large", () => {
  test("is refused with resource_exhausted, plain or packed, and nothing is stored", async () => {
    await using world = await startHttpWorld();
    const big = JSON.stringify({ jobs: [{ functionName: "a:b", args: "A".repeat(5 * 1024 * 1024) }] });
    const send = (body: Uint8Array | string, encoding?: string): Promise<Response> =>
      fetch(`${world.url}/reseolio.v1.JobService/EnqueueJobs`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(encoding !== undefined && { "content-encoding": encoding }),
        },
        body,
      });
    for (const response of [
      await send(big),
      await send(gzipSync(big), "gzip"),
      await send(brotliCompressSync(big), "br"),
    ]) {
      expect(response.status).toBe(429);
      expect(await response.json()).toMatchObject({ code: "resource_exhausted" });
    }
    expect(await world.world.engine.store.jobs.count()).toEqual([]);
  });

  test("when unpacked, as a decompression bomb is, is never unpacked whole", async () => {
    await using world = await startHttpWorld();
    const bomb = gzipSync(Buffer.alloc(400 * 1024 * 1024));
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    const response = await fetch(`${world.url}/reseolio.v1.JobService/EnqueueJobs`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      body: bomb,
    });
    expect(response.status).toBe(429);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
  });

  test("whose 1 MiB of args are one byte too long is refused by name, and one byte less is stored", async () => {
    await using world = await startHttpWorld();
    const client = createClient(JobService, createGrpcTransport({ baseUrl: world.url }));
    const store = async (bytes: number): Promise<string> => {
      const args = new Uint8Array(bytes).fill(0x20);
      const { results } = await client.enqueueJobs({ jobs: [{ functionName: "a:b", args }] });
      return results[0]?.result.case === "error" ? results[0].result.value.message : "stored";
    };
    expect(await store(1024 * 1024)).toBe("stored");
    expect(await store(1024 * 1024 + 1)).toContain("jobs[0].args");
  });
});

describe("a client that is not ours: @grpc/grpc-js with the raw proto", () => {
  const clients: { close(): void }[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  test("enqueues, reads, awaits, and gets codes and details", async () => {
    await using world = await startHttpWorld();
    const jobs = foreignClient(world, "reseolio/v1/job_service.proto", "reseolio.v1.JobService");
    const { results } = await jobs.call("enqueueJobs", { jobs: [{ functionName: "a:b", args: Buffer.from("[1]") }] });
    const { jobId } = results[0].job;
    expect((await jobs.call("getJob", { jobId })).job).toMatchObject({ state: "JOB_STATE_PENDING" });
    const ends = jobs.stream("awaitJobs", { jobIds: [jobId] });
    await jobs.call("cancelJob", { jobId });
    expect((await ends).map((one) => one.job.state)).toEqual(["JOB_STATE_CANCELLED"]);
    const fault = await jobs.call("getJob", { jobId: "nonsense" }).catch((error: ServiceError) => error);
    expect(fault).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(fault.metadata.get("grpc-status-details-bin")[0].toString()).toContain("job_id");
  });

  test("is refused without the token by UNAUTHENTICATED, and served with it", async () => {
    await using world = await startHttpWorld({ token: "a-token-of-some-length" });
    const jobs = foreignClient(world, "reseolio/v1/job_service.proto", "reseolio.v1.JobService");
    const fault = await jobs.call("listJobs", {}).catch((error: ServiceError) => error);
    expect(fault).toMatchObject({ code: status.UNAUTHENTICATED, details: expect.stringContaining("authorization") });
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer a-token-of-some-length");
    expect(await jobs.call("listJobs", {}, metadata)).toMatchObject({ jobs: [] });
  });

  test("asks for health: the daemon, each service, an unknown one, and the drain", async () => {
    await using world = await startHttpWorld({ token: "probes need none" });
    const health = foreignClient(world, "grpc/health/v1/health.proto", "grpc.health.v1.Health");
    for (const service of ["", "reseolio.v1.JobService", "reseolio.v1.SessionService", "reseolio.v1.DaemonService"]) {
      expect(await health.call("check", { service })).toEqual({ status: "SERVING" });
    }
    const fault = await health.call("check", { service: "nobody" }).catch((error: ServiceError) => error);
    expect(fault).toMatchObject({ code: status.NOT_FOUND });
    const watched = health.stream("watch", { service: "reseolio.v1.JobService" });
    await health.call("check", { service: "" });
    world.drain();
    expect(await health.call("check", { service: "" })).toEqual({ status: "NOT_SERVING" });
    expect((await watched).map((one) => one.status)).toEqual(["SERVING", "NOT_SERVING"]);
  });

  for (const version of ["v1", "v1alpha"]) {
    test(`learns the protocol by reflection ${version}: services, files with all they need, symbols`, async () => {
      await using world = await startHttpWorld();
      const proto = "grpc/reflection/v1/reflection.proto";
      const reflection = foreignClient(world, proto, "grpc.reflection.v1.ServerReflection", version);
      const [services, file, symbol, missing] = await reflection.ask([
        { listServices: "" },
        { fileByFilename: "reseolio/v1/session_service.proto" },
        { fileContainingSymbol: "reseolio.v1.JobService.EnqueueJobs" },
        { fileContainingSymbol: "reseolio.v1.Nothing" },
      ]);
      expect(services.listServicesResponse.service.map((one: { name: string }) => one.name)).toEqual([
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "reseolio.v1.DaemonService",
        "reseolio.v1.EventService",
        "reseolio.v1.JobService",
        "reseolio.v1.ScheduleService",
        "reseolio.v1.SessionService",
      ]);
      const files = file.fileDescriptorResponse.fileDescriptorProto.map((bytes: Buffer) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      ) as { name: string; dependency: string[] }[];
      const names = files.map((one) => one.name);
      expect(names[0]).toBe("reseolio/v1/session_service.proto");
      for (const one of files) for (const needed of one.dependency) expect(names).toContain(needed);
      expect(symbol.fileDescriptorResponse.fileDescriptorProto.length).toBeGreaterThan(2);
      expect(missing.errorResponse).toMatchObject({ errorCode: status.NOT_FOUND });
    });
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- what grpc-js loads from a .proto file has no types
  type Untyped = any;

  interface ForeignClient {
    call(method: string, request: object, metadata?: Metadata): Promise<Untyped>;
    /** All messages of a server stream. */
    stream(method: string, request: object): Promise<Untyped[]>;
    ask(requests: readonly object[]): Promise<Untyped[]>;
  }

  function foreignClient(world: HttpWorld, file: string, service: string, version = "v1"): ForeignClient {
    const definition = loadSync(file, { includeDirs: [PROTO_DIR], defaults: true, enums: String, oneofs: true });
    const path = service.split(".");
    const constructor = path.reduce<Untyped>((scope, name) => scope[name], loadPackageDefinition(definition));
    if (version !== "v1")
      for (const method of Object.values<Untyped>(constructor.service))
        method.path = method.path.replace(".v1.", ".v1alpha.");
    const client = new constructor(`127.0.0.1:${world.port}`, credentials.createInsecure());
    clients.push(client);
    return {
      call: (method, request, metadata = new Metadata()) =>
        new Promise((resolve, reject) => {
          client[method](request, metadata, (error: ServiceError | null, answer: unknown) =>
            error === null ? resolve(answer) : reject(error),
          );
        }),
      stream: (method, request) => collect(client[method](request)),
      ask: (requests) => {
        const stream = client.serverReflectionInfo();
        for (const request of requests) stream.write(request);
        stream.end();
        return collect(stream);
      },
    };
  }
});

function collect(stream: ClientReadableStream<unknown>): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const messages: unknown[] = [];
    stream.on("data", (message) => messages.push(message));
    stream.on("error", reject);
    stream.on("end", () => resolve(messages));
  });
}

describe("health by our own client", () => {
  test("is SERVING", async () => {
    await using world = await startHttpWorld();
    const health = createClient(Health, createGrpcTransport({ baseUrl: world.url }));
    expect(await health.check({})).toMatchObject({ status: 1 });
  });
});
