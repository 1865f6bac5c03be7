import { create, toBinary } from "@bufbuild/protobuf";
import { anyUnpack, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#proto/gen/google/rpc/error_details_pb.ts";
import { Backoff, JobSchema, JobState, OnDuplicate } from "#proto/gen/reseolio/v1/job_pb.ts";
import { EnqueueJobsRequestSchema, ListJobsResponseSchema } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { DaemonError } from "../../src/daemon/core/errors.ts";
import { fail, SUCCEED } from "../support/engine-world.ts";
import type { RouterWorld } from "../support/router-world.ts";
import { createRouterWorld } from "../support/router-world.ts";

const UNKNOWN_ID = "019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a";
const ARGS = new TextEncoder().encode("[1]");

async function faultOf(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: unknown) => ConnectError.from(error),
  );
}

async function firstMessages<T>(stream: AsyncIterable<T>, count: number): Promise<T[]> {
  const messages: T[] = [];
  for await (const message of stream) if (messages.push(message) === count) break;
  return messages;
}

describe("EnqueueJobs", () => {
  test("stores every option as it was given, and GetJob tells it again", async () => {
    await using world = await createRouterWorld();
    const runAt = timestampFromMs(world.clock.now() + 60_000);
    const options = {
      maxAttempts: 7,
      backoff: Backoff.LINEAR,
      initialDelayMs: 0,
      maxDelayMs: 5,
      jitter: 0,
      timeoutMs: 0,
      priority: -3,
      idempotencyKey: "key",
      headers: { traceparent: "00-x", __proto__x: "y" },
    };
    const { results } = await world.jobs.enqueueJobs({
      jobs: [{ functionName: "a:b", args: ARGS, options: { ...options, runAt, finishWithinMs: 90_000n } }],
    });
    const jobId = results[0]?.result.case === "job" ? results[0].result.value.jobId : "";
    const { job } = await world.jobs.getJob({ jobId });
    expect(job).toMatchObject({ jobId, functionName: "a:b", args: ARGS, state: JobState.PENDING, attempt: 0 });
    expect(job?.options).toMatchObject(options);
    expect(timestampMs(job!.runAt!)).toBe(timestampMs(runAt));
    expect(timestampMs(job!.finishBy!)).toBe(world.clock.now() + 90_000);
    expect(job?.startBy).toBeUndefined();
  });

  test("without options takes the defaults, and without args the empty list", async () => {
    await using world = await createRouterWorld();
    await world.jobs.enqueueJobs({ jobs: [{ jobId: UNKNOWN_ID, functionName: "a:b" }] });
    const { job } = await world.jobs.getJob({ jobId: UNKNOWN_ID });
    expect(new TextDecoder().decode(job?.args)).toBe("[]");
    expect(job?.options).toMatchObject({
      maxAttempts: 3,
      backoff: Backoff.EXPONENTIAL,
      jitter: 0.1,
      timeoutMs: 30_000,
    });
  });

  test("answers each item on its own, in order, with the field of each fault", async () => {
    await using world = await createRouterWorld();
    const { results } = await world.jobs.enqueueJobs({
      jobs: [
        { functionName: "a:b" },
        { functionName: "" },
        { functionName: "a:b", options: { maxAttempts: 0, jitter: 2 } },
        { functionName: "a:b", jobId: "nonsense" },
        { functionName: "a:b" },
      ],
    });
    expect(results.map((result) => result.result.case)).toEqual(["job", "error", "error", "error", "job"]);
    const fieldsOf = (index: number): string[] => {
      const { result } = results[index]!;
      if (result.case !== "error") return [];
      expect(result.value.code).toBe(Code.InvalidArgument);
      const details = result.value.details.map((detail) => anyUnpack(detail, BadRequestSchema));
      return details.flatMap((detail) => detail?.fieldViolations.map((violation) => violation.field) ?? []);
    };
    expect(fieldsOf(1)).toEqual(["jobs[1].function_name"]);
    expect(fieldsOf(2)).toEqual(["jobs[2].options.max_attempts", "jobs[2].options.jitter"]);
    expect(fieldsOf(3)).toEqual(["jobs[3].job_id"]);
  });

  test("tells a duplicate with the job that is there, or refuses it when asked to", async () => {
    await using world = await createRouterWorld();
    const enqueue = async (args: Uint8Array, onDuplicate: OnDuplicate) => {
      const options = { idempotencyKey: "k", onDuplicate };
      return (await world.jobs.enqueueJobs({ jobs: [{ functionName: "a:b", args, options }] })).results[0]!.result;
    };
    const first = await enqueue(ARGS, OnDuplicate.UNSPECIFIED);
    const jobId = first.case === "job" ? first.value.jobId : "";
    const other = new TextEncoder().encode("[2]");
    expect(await enqueue(other, OnDuplicate.RETURN_EXISTING)).toMatchObject({
      case: "job",
      value: { jobId, deduplicated: true, argsDiffer: true, state: JobState.PENDING },
    });
    expect(await enqueue(ARGS, OnDuplicate.REJECT)).toMatchObject({
      case: "error",
      value: { code: Code.AlreadyExists },
    });
  });

  test("of more than 1000 items is refused as a whole, and so is an enum value that nobody knows", async () => {
    await using world = await createRouterWorld();
    const jobs = Array.from({ length: 1_001 }, () => ({ functionName: "a:b" }));
    expect(await faultOf(world.jobs.enqueueJobs({ jobs }))).toMatchObject({ code: Code.InvalidArgument });
    const request = create(EnqueueJobsRequestSchema, {
      jobs: [{ functionName: "a:b", options: { backoff: 9 as Backoff } }],
    });
    const fault = await faultOf(world.jobs.enqueueJobs(request));
    expect(fault.rawMessage).toContain("jobs[0].options.backoff: is 9");
    expect(await world.engine.store.jobs.count()).toEqual([]);
  });

  test("of nothing answers nothing", async () => {
    await using world = await createRouterWorld();
    expect((await world.jobs.enqueueJobs({})).results).toEqual([]);
  });
});

describe("GetJob and ListJobs", () => {
  test("tell the attempts of one job, and of many no args, results or stacks", async () => {
    await using world = await createRouterWorld();
    const jobId = await world.enqueue("a:b", { args: ARGS });
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1 });
    await worker.assignedCount(1);
    await worker.report(worker.assigned[0]!, {
      kind: "fail",
      error: { name: "Oops", message: "no", stack: "at x" },
      terminal: true,
      retryAfterMs: null,
    });
    const { job } = await world.jobs.getJob({ jobId });
    expect(job).toMatchObject({ state: JobState.DEAD, failures: 1, error: { name: "Oops", stack: "at x" } });
    expect(job?.attempts).toMatchObject([{ attempt: 1, outcome: "failed", error: { stack: "at x" } }]);
    const { jobs } = await world.jobs.listJobs({});
    expect(jobs).toMatchObject([{ jobId, error: { name: "Oops", stack: "" } }]);
    expect(jobs[0]).toMatchObject({ args: new Uint8Array(0), result: new Uint8Array(0), attempts: [] });
  });

  test("of a job that failed very often the last attempts are told, so that any client can read the answer", async () => {
    await using world = await createRouterWorld();
    const options = { maxAttempts: 1_000, initialDelayMs: 0 };
    const jobId = await world.enqueue("a:b", { options });
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1 });
    const error = { name: "Error", message: "m".repeat(16 * 1024), stack: "s".repeat(16 * 1024) };
    for (let count = 1; count <= 140; count++) {
      await worker.assignedCount(count);
      await worker.report(worker.assigned[count - 1]!, { kind: "fail", error, terminal: false, retryAfterMs: null });
    }
    const { job } = await world.jobs.getJob({ jobId });
    expect(job?.attempts.map((one) => one.attempt)).toEqual(Array.from({ length: 50 }, (_, index) => 91 + index));
    expect(toBinary(JobSchema, job!).byteLength).toBeLessThan(3 * 1024 * 1024);
  });

  test("a page of 1,000 jobs fits in one message, however long their errors are", async () => {
    await using world = await createRouterWorld();
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1_000 });
    const error = { name: "n".repeat(20_000), message: "\u20ac".repeat(20_000), stack: "s".repeat(20_000) };
    for (let count = 0; count < 1_000; count++) await world.enqueue("a:b", { options: { maxAttempts: 1 } });
    await worker.assignedCount(1_000);
    const event = { kind: "fail", error, terminal: true, retryAfterMs: null } as const;
    await Promise.all(worker.assigned.map((job) => worker.report(job, event)));
    const page = await world.jobs.listJobs({ pageSize: 1_000 });
    expect(page.jobs).toHaveLength(1_000);
    expect(page.jobs[0]?.error?.message).toBe(`${"\u20ac".repeat(800)}\u2026`);
    expect(toBinary(ListJobsResponseSchema, page).byteLength).toBeLessThan(4 * 1024 * 1024);
  });

  test("filter and page, newest first", async () => {
    await using world = await createRouterWorld();
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.push(await world.enqueue(index === 2 ? "x:y" : "a:b"));
    const seen: string[] = [];
    for (let pageToken = "", done = false; !done; done = pageToken === "") {
      const page = await world.jobs.listJobs({ filter: { functionNames: ["a:b"] }, pageSize: 2, pageToken });
      seen.push(...page.jobs.map((job) => job.jobId));
      pageToken = page.nextPageToken;
    }
    expect(seen).toEqual(ids.filter((_, index) => index !== 2).reverse());
    const dead = await world.jobs.listJobs({ filter: { states: [JobState.DEAD] } });
    expect(dead.jobs).toEqual([]);
  });

  test("refuse what is no id, no state, no page size and no token, by the field's name", async () => {
    await using world = await createRouterWorld();
    const faults = await Promise.all([
      faultOf(world.jobs.getJob({ jobId: "nonsense" })),
      faultOf(world.jobs.listJobs({ filter: { states: [77 as JobState] } })),
      faultOf(world.jobs.listJobs({ filter: { jobIds: [UNKNOWN_ID, "x' or 1=1"] } })),
      faultOf(world.jobs.listJobs({ pageSize: 1_001 })),
      faultOf(world.jobs.listJobs({ pageToken: "nonsense" })),
    ]);
    expect(faults.map((fault) => fault.code)).toEqual(faults.map(() => Code.InvalidArgument));
    const fields = faults.map((fault) => fault.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field);
    expect(fields).toEqual(["job_id", "filter.states[0]", "filter.job_ids[1]", "page_size", "page_token"]);
  });
});

describe("faults", () => {
  test("that will pass come with the time to wait, those that stay do not", async () => {
    await using world = await createRouterWorld();
    const passing = await withFaultyStore(world, new DaemonError("unavailable", "the store is busy"));
    expect(passing).toMatchObject({ code: Code.Unavailable, rawMessage: "the store is busy" });
    expect(passing.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds).toBe(1n);
    expect(passing.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "UNAVAILABLE", domain: "reseolio" }]);
    const staying = await faultOf(world.jobs.getJob({ jobId: UNKNOWN_ID }));
    expect(staying.code).toBe(Code.NotFound);
    expect(staying.findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({ jobId: UNKNOWN_ID });
    expect(staying.findDetails(RetryInfoSchema)).toEqual([]);
  });

  test("of our own tell the caller nothing of the inside, and the log everything", async () => {
    await using world = await createRouterWorld();
    const cause = new TypeError("secret path /var/lib");
    const fault = await withFaultyStore(world, cause);
    expect(fault.code).toBe(Code.Internal);
    expect(fault.rawMessage).not.toContain("secret");
    expect(world.logged).toMatchObject([{ level: "error", fields: { error: cause } }]);
    expect(world.logged[0]?.message).toContain("reseolio.v1.JobService/GetJob");
  });

  async function withFaultyStore(world: RouterWorld, error: Error): Promise<ConnectError> {
    const { store } = world.engine;
    const { get } = store.jobs;
    store.jobs.get = () => Promise.reject(error);
    try {
      return await faultOf(world.jobs.getJob({ jobId: UNKNOWN_ID }));
    } finally {
      store.jobs.get = get;
    }
  }
});

describe("AwaitJobs", () => {
  test("tells each job once: those that ended before, and the others as they end", async () => {
    await using world = await createRouterWorld();
    const early = await world.enqueue("a:b");
    await world.jobs.cancelJob({ jobId: early });
    const late = await world.enqueue("a:b");
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1 });
    await worker.assignedCount(1);
    const messages = world.jobs.awaitJobs({ jobIds: [late, early, early] })[Symbol.asyncIterator]();
    expect((await messages.next()).value?.job).toMatchObject({ jobId: early, state: JobState.CANCELLED });
    const next = messages.next();
    await worker.report(worker.assigned[0]!, SUCCEED);
    const { value } = await next;
    expect(value?.job).toMatchObject({ jobId: late, state: JobState.SUCCESS });
    expect(new TextDecoder().decode(value?.job?.result)).toBe('"done"');
    expect((await messages.next()).done).toBe(true);
  });

  test("ends with NOT_FOUND for an id that no job has", async () => {
    await using world = await createRouterWorld();
    const fault = await faultOf(firstMessages(world.jobs.awaitJobs({ jobIds: [UNKNOWN_ID] }), 1));
    expect(fault).toMatchObject({ code: Code.NotFound });
    expect(fault.rawMessage).toContain(UNKNOWN_ID);
  });

  test("refuses no ids, too many, and what is no id", async () => {
    await using world = await createRouterWorld();
    for (const jobIds of [[], ["nonsense"], Array.from({ length: 1_001 }, () => UNKNOWN_ID)]) {
      const fault = await faultOf(firstMessages(world.jobs.awaitJobs({ jobIds }), 1));
      expect(fault.code).toBe(Code.InvalidArgument);
    }
  });
});

describe("WatchJobs", () => {
  test("begins with an empty message, from which on nothing that matches is missed", async () => {
    await using world = await createRouterWorld();
    const messages = world.jobs.watchJobs({ filter: { functionNames: ["a:b"] } })[Symbol.asyncIterator]();
    expect((await messages.next()).value?.changes).toEqual([]);
    const jobId = await world.enqueue("a:b");
    await world.enqueue("x:y");
    const worker = await world.connect("w", { functionNames: ["a:b", "x:y"], concurrency: 2 });
    await worker.assignedCount(2);
    await worker.report(
      worker.assigned.find((job) => job.jobId === jobId)!,
      fail("no", true),
    );
    const states: JobState[] = [];
    while (!states.includes(JobState.DEAD)) {
      const { value } = await messages.next();
      for (const change of value!.changes) {
        expect(change.jobId).toBe(jobId);
        states.push(change.state);
        if (change.state === JobState.DEAD) expect(change.error).toMatchObject({ message: "no", stack: "" });
      }
    }
    expect(states).toEqual([JobState.PENDING, JobState.RUNNING, JobState.DEAD]);
  });

  test("refuses a filter by what a change does not carry", async () => {
    await using world = await createRouterWorld();
    for (const filter of [{ idempotencyKey: "k" }, { createdAfter: timestampFromMs(1) }, { jobIds: ["x"] }]) {
      expect((await faultOf(firstMessages(world.jobs.watchJobs({ filter }), 1))).code).toBe(Code.InvalidArgument);
    }
  });
});

describe("acts on jobs", () => {
  test("CancelJob, RetryJob and ExplainJob", async () => {
    await using world = await createRouterWorld();
    const jobId = await world.enqueue("a:b");
    expect((await world.jobs.explainJob({ jobId })).blockers).toMatchObject([{ kind: "no_worker" }]);
    expect(await world.jobs.cancelJob({ jobId })).toMatchObject({
      cancelled: true,
      job: { state: JobState.CANCELLED },
    });
    expect(await world.jobs.cancelJob({ jobId })).toMatchObject({ cancelled: false });
    expect((await world.jobs.explainJob({ jobId })).blockers).toEqual([]);
    expect(await world.jobs.retryJob({ jobId })).toMatchObject({ job: { state: JobState.PENDING, failures: 0 } });
    expect((await faultOf(world.jobs.retryJob({ jobId }))).code).toBe(Code.FailedPrecondition);
    for (const call of [world.jobs.cancelJob, world.jobs.retryJob, world.jobs.explainJob]) {
      expect((await faultOf(call({ jobId: UNKNOWN_ID }))).code).toBe(Code.NotFound);
    }
  });

  test("CancelJobs, RetryJobs and DeleteJobs: dry runs change nothing, slices join up", async () => {
    await using world = await createRouterWorld();
    for (let index = 0; index < 5; index++) await world.enqueue("a:b");
    const filter = { functionNames: ["a:b"] };
    expect(await world.jobs.cancelJobs({ filter, dryRun: true })).toMatchObject({ count: 5, nextPageToken: "" });
    expect(await world.jobs.deleteJobs({ filter })).toMatchObject({ count: 0 });
    let cancelled = 0;
    for (let pageToken = "", done = false; !done; done = pageToken === "") {
      const slice = await world.jobs.cancelJobs({ filter, pageSize: 2, pageToken });
      cancelled += slice.count;
      pageToken = slice.nextPageToken;
    }
    expect(cancelled).toBe(5);
    expect(await world.jobs.retryJobs({ filter: { ...filter, states: [JobState.CANCELLED] } })).toMatchObject({
      count: 5,
    });
    await world.jobs.cancelJobs({ filter });
    expect((await world.jobs.deleteJobs({ filter })).jobIds).toHaveLength(5);
    expect((await world.jobs.listJobs({})).jobs).toEqual([]);
  });
});

describe("DaemonService", () => {
  test("tells what the daemon is, its counters, workers and functions", async () => {
    await using world = await createRouterWorld();
    await world.enqueue("a:b");
    await world.enqueue("x:y");
    const worker = await world.connect("w", { functionNames: ["a:b", "only:served"], concurrency: 3 });
    await worker.assignedCount(1);
    const info = await world.daemon.getInfo({});
    expect(info).toMatchObject({ version: "1.2.3", nodeId: "node", storageKind: "sqlite", pid: 42, lingering: false });
    expect(timestampMs(info.startedAt!)).toBe(1_700_000_000_123);
    const stats = await world.daemon.getStats({});
    expect(stats).toMatchObject({ workers: 1, sessions: 1 });
    expect(stats.rssBytes).toBeGreaterThan(1_000_000n);
    expect(stats.schedules).toMatchObject({ active: 0, paused: 0, overdueMs: 0n });
    expect(stats.functions.map((one) => one.functionName)).toEqual(["a:b", "only:served", "x:y"]);
    expect(stats.functions[2]).toMatchObject({ counts: [{ state: JobState.PENDING, count: 1n }], workers: 0 });
    expect((await world.daemon.listFunctions({})).functions[0]).toMatchObject({ functionName: "a:b", workers: 1 });
    const { workers } = await world.daemon.listWorkers({});
    expect(workers).toMatchObject([{ workerId: worker.session.workerId, concurrency: 3, connected: true }]);
  });
});
