/** Clients that are not ours speak to the daemon: @grpc/grpc-js, curl, Python's grpcio, and a raw gRPC-web call. */
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { checkout } from "../support/executable.ts";
import { hasPythonGrpc, preparePython, python } from "../support/python-grpc.ts";
import { environment, runCommand, runOrThrow } from "../support/run-command.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import type { SpawnedDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

let daemon: SpawnedDaemon;

beforeAll(async () => {
  daemon = await spawnDaemon();
}, 60_000);

afterAll(() => daemon[Symbol.asyncDispose]());

/** A message as proto-loader gives and takes it. */
// oxlint-disable-next-line typescript/no-explicit-any -- dynamic messages have no types; each test checks what it reads
type Message = Record<string, any>;

interface DynamicClient {
  call(method: string, request: Message): Promise<Message>;
  stream(method: string, request: Message): grpc.ClientReadableStream<Message>;
  duplex(method: string): grpc.ClientDuplexStream<Message, Message>;
  close(): void;
}

const definitions = loadSync(
  [
    "reseolio/v1/job_service.proto",
    "reseolio/v1/session_service.proto",
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
  ],
  { includeDirs: [join(checkout, "proto")], enums: String, longs: Number, defaults: true, oneofs: true },
);

function dynamicClient(service: string): DynamicClient {
  const definition = definitions[service] as grpc.ServiceDefinition;
  const Client = grpc.makeGenericClientConstructor(definition, service);
  const client = new Client(daemon.address, grpc.credentials.createInsecure());
  // oxlint-disable-next-line typescript/no-explicit-any -- methods are made at run time
  const methods = client as any;
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        const deadline = Date.now() + 20_000;
        methods[method](request, { deadline }, (error: grpc.ServiceError | null, response: Message) =>
          error === null ? resolve(response) : reject(error),
        );
      }),
    stream: (method, request) => methods[method](request),
    duplex: (method) => methods[method](),
    close: () => client.close(),
  };
}

/** Waits for the first message of a stream for which `pick` finds something. */
function firstOf<T>(stream: NodeJS.ReadableStream, pick: (message: Message) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("end", () => reject(new Error("the stream ended before the awaited message")));
    stream.on("data", (message: Message) => {
      const found = pick(message);
      if (found !== undefined) resolve(found);
    });
  });
}

describe("@grpc/grpc-js with the raw proto", () => {
  test("enqueues, reads and works through a session", async () => {
    const jobs = dynamicClient("reseolio.v1.JobService");
    const sessions = dynamicClient("reseolio.v1.SessionService");
    const session = sessions.duplex("Session");
    const welcome = firstOf(session, (message) => (message["welcome"] as Message | null) ?? undefined);
    const assigned = firstOf(session, (message) => (message["assignments"] as Message[])[0]);
    session.write({
      frameId: 1,
      hello: { workerId: crypto.randomUUID(), host: "test", functionNames: ["demo:grpcjs:add"], concurrency: 1 },
    });
    expect((await welcome)["leaseMs"]).toBeGreaterThan(0);

    const enqueued = await jobs.call("EnqueueJobs", {
      jobs: [{ functionName: "demo:grpcjs:add", args: Buffer.from("[2,3]") }],
    });
    const jobId = enqueued["results"][0].job.jobId as string;
    const assignment = await assigned;
    expect(assignment).toMatchObject({ jobId, functionName: "demo:grpcjs:add", attempt: 1 });
    const [a, b] = JSON.parse(String(assignment["args"])) as [number, number];

    const settled = firstOf(session, (message) =>
      (message["replies"] as Message[]).find((reply) => reply["frameId"] === 2),
    );
    const outcome = { jobId, leaseToken: assignment["leaseToken"], success: Buffer.from(JSON.stringify(a + b)) };
    session.write({ frameId: 2, outcomes: [outcome] });
    expect((await settled)["settled"]).toEqual(["SETTLE_RESULT_ACCEPTED"]);

    const ended = await firstOf(jobs.stream("AwaitJobs", { jobIds: [jobId] }), (message) => message["job"] as Message);
    expect(ended).toMatchObject({ state: "JOB_STATE_SUCCESS", attempt: 1 });
    const { job } = await jobs.call("GetJob", { jobId });
    expect(String((job as Message)["result"])).toBe("5");
    session.end();
    jobs.close();
    sessions.close();
  });

  test("P4: an outcome with a stale lease is answered as stale and changes nothing", async () => {
    const jobs = dynamicClient("reseolio.v1.JobService");
    const sessions = dynamicClient("reseolio.v1.SessionService");
    const session = sessions.duplex("Session");
    const assigned = firstOf(session, (message) => (message["assignments"] as Message[])[0]);
    session.write({
      frameId: 1,
      hello: { workerId: crypto.randomUUID(), host: "test", functionNames: ["demo:grpcjs:fence"], concurrency: 1 },
    });
    const enqueued = await jobs.call("EnqueueJobs", {
      jobs: [{ functionName: "demo:grpcjs:fence", args: Buffer.from("[]") }],
    });
    const jobId = enqueued["results"][0].job.jobId as string;
    const lease = (await assigned)["leaseToken"] as number;

    const reply = firstOf(session, (message) => (message["replies"] as Message[]).find((one) => one["frameId"] === 2));
    session.write({ frameId: 2, outcomes: [{ jobId, leaseToken: lease + 1, success: Buffer.from('"stolen"') }] });
    expect((await reply)["settled"]).toEqual(["SETTLE_RESULT_STALE"]);
    const { job } = await jobs.call("GetJob", { jobId });
    expect(job).toMatchObject({ state: "JOB_STATE_RUNNING", attempt: 1 });
    session.end();
    jobs.close();
    sessions.close();
  });

  test("gets standard codes, and the field that is wrong", async () => {
    const jobs = dynamicClient("reseolio.v1.JobService");
    const missing = await jobs.call("GetJob", { jobId: "01890000-0000-7000-8000-000000000000" }).catch(asServiceError);
    expect(missing).toMatchObject({ code: grpc.status.NOT_FOUND });
    const malformed = await jobs.call("GetJob", { jobId: "no-such-shape" }).catch(asServiceError);
    expect(malformed).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
    expect((malformed as grpc.ServiceError).details).toContain("job_id");
    expect((malformed as grpc.ServiceError).metadata.get("grpc-status-details-bin")).toHaveLength(1);
    jobs.close();
  });

  test("finds the daemon healthy, and its services by reflection", async () => {
    const health = dynamicClient("grpc.health.v1.Health");
    expect(await health.call("Check", { service: "" })).toMatchObject({ status: "SERVING" });
    expect(await health.call("Check", { service: "reseolio.v1.JobService" })).toMatchObject({ status: "SERVING" });
    const unknown = await health.call("Check", { service: "no.such.Service" }).catch(asServiceError);
    expect(unknown).toMatchObject({ code: grpc.status.NOT_FOUND });
    health.close();

    const reflection = dynamicClient("grpc.reflection.v1.ServerReflection");
    const stream = reflection.duplex("ServerReflectionInfo");
    const listed = firstOf(stream, (message) => (message["listServicesResponse"] as Message | null) ?? undefined);
    stream.write({ listServices: "" });
    const names = ((await listed)["service"] as Message[]).map((service) => service["name"]);
    expect(names).toEqual(
      expect.arrayContaining(["reseolio.v1.JobService", "reseolio.v1.SessionService", "reseolio.v1.DaemonService"]),
    );
    const described = firstOf(stream, (message) => (message["fileDescriptorResponse"] as Message | null) ?? undefined);
    stream.write({ fileContainingSymbol: "reseolio.v1.JobService" });
    expect(((await described)["fileDescriptorProto"] as Buffer[]).length).toBeGreaterThan(0);
    stream.end();
    reflection.close();
  });
});

describe("curl", () => {
  for (const [protocol, flag] of [
    ["1.1", "--http1.1"],
    ["2", "--http2-prior-knowledge"],
  ] as const) {
    test(`enqueues and reads JSON over HTTP/${protocol}`, async () => {
      const args = Buffer.from('["from curl"]').toString("base64");
      const enqueued = await curl(flag, "JobService/EnqueueJobs", {
        jobs: [{ functionName: "demo:curl:nobody", args }],
      });
      expect(enqueued).toMatchObject({ status: "200", version: protocol });
      const jobId = enqueued.body["results"][0].job.jobId as string;
      const got = await curl(flag, "JobService/GetJob", { jobId });
      expect(got.body["job"]).toMatchObject({ functionName: "demo:curl:nobody", state: "JOB_STATE_PENDING", args });
    });

    test(`is told what is wrong over HTTP/${protocol}`, async () => {
      const malformed = await curl(flag, "JobService/GetJob", { jobId: "" });
      expect(malformed).toMatchObject({ status: "400", body: { code: "invalid_argument" } });
      const unknownField = await curl(flag, "JobService/GetJob", { jobIdd: "x" });
      expect(unknownField).toMatchObject({ status: "400" });
      const unknownMethod = await curl(flag, "JobService/NoSuchMethod", {});
      expect(unknownMethod).toMatchObject({ status: "404" });
    });
  }
});

test("a raw gRPC-web call gets its message and its trailers", async () => {
  const response = await fetch(`${daemon.url}/reseolio.v1.DaemonService/GetInfo`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
    body: new Uint8Array(5),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const messageLength = bytes.readUInt32BE(1);
  expect(bytes[0]).toBe(0);
  expect(bytes[5 + messageLength]).toBe(0x80);
  expect(bytes.subarray(5 + messageLength + 5).toString()).toContain("grpc-status: 0");
});

describe.skipIf(!(await hasPythonGrpc()))("Python's grpcio (python3-grpcio, python3-grpc-tools)", () => {
  test("enqueues and works", async () => {
    await using dir = await tempDir("reseolio-python-");
    await preparePython(dir.path);
    await using worker = await startPythonWorker(dir.path);
    const call = (name: string, args: string) =>
      runCommand([python, "enqueue.py", daemon.address, name, args], { cwd: dir.path });
    expect(await call("demo:python:upper", '["hello"]')).toMatchObject({ stdout: '"HELLO"\n', exitCode: 0 });
    expect(await call("demo:python:fail", '["no luck"]')).toMatchObject({
      stderr: "ValueError: no luck\n",
      exitCode: 7,
    });
    expect(await worker.stop()).toBe(0);
  }, 60_000);
});

interface PythonWorker extends AsyncDisposable {
  /** SIGTERM, then its exit code. */
  stop(): Promise<number | null>;
}

async function startPythonWorker(cwd: string): Promise<PythonWorker> {
  const child = spawn(python, ["worker.py", daemon.address], {
    cwd,
    env: environment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const ready = once(child.stdout, "data");
  const first = await Promise.race([ready, exited]);
  if (!String(first[0]).includes("ready")) throw new Error(`the Python worker did not start: ${String(first[0])}`);
  return {
    async stop() {
      child.kill("SIGTERM");
      const [code] = (await exited) as [number | null];
      return code;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function curl(flag: string, method: string, body: unknown) {
  const output = await runOrThrow([
    "curl",
    "--silent",
    flag,
    "--header",
    "content-type: application/json",
    "--data",
    JSON.stringify(body),
    "--write-out",
    "\n%{http_code} %{http_version}",
    `${daemon.url}/reseolio.v1.${method}`,
  ]);
  const lines = output.split("\n");
  const [status = "", version = ""] = lines.at(-1)?.split(" ") ?? [];
  const text = lines.slice(0, -1).join("\n");
  return { status, version, body: (text.startsWith("{") ? JSON.parse(text) : { text }) as Message };
}

function asServiceError(error: unknown): grpc.ServiceError {
  return error as grpc.ServiceError;
}
