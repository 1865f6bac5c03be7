import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "bun:test";
import { FunctionStatsSchema } from "../../proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventSchema } from "../../proto/gen/reseolio/v1/event_service_pb.ts";
import { CheckpointKind, type Job, JobSchema, JobState } from "../../proto/gen/reseolio/v1/job_pb.ts";
import { onePage } from "../../src/cli/terminal/one-page.ts";
import { type FormatFlags, Output } from "../../src/cli/terminal/output.ts";
import { toJson } from "../../src/cli/text/json-text.ts";
import { emittedEventRecord, eventJson, eventRecord } from "../../src/cli/views/event-view.ts";
import { FUNCTIONS } from "../../src/cli/views/function-view.ts";
import { type JobNode, TREE_LISTING, treeJson, treeRows } from "../../src/cli/views/job-tree.ts";
import { JOB_LISTING, jobJson, jobRecord } from "../../src/cli/views/job-view.ts";
import { expectGolden } from "./golden.ts";
import { linesOver80, Recorder } from "./recorder.ts";

const at = (iso: string) => timestampFromDate(new Date(iso));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const dead: Job = create(JobSchema, {
  jobId: "019aa6cf-8e4b-7d2a-8000-000000000001",
  functionName: "mail:send",
  state: JobState.DEAD,
  args: bytes(`["a@b.c", 12345678901234567890, {"html": "\\u001b[31m"}]`),
  error: { name: "Error", message: "550 no such user\u001b[2J", stack: "Error: 550\n    at send", reason: "handler" },
  options: {
    maxAttempts: 2,
    backoff: 3,
    initialDelayMs: 1000,
    maxDelayMs: 60000,
    jitter: 0,
    timeoutMs: 30000,
    priority: -1,
    idempotencyKey: "hi-a",
    headers: { traceparent: "00-abc" },
  },
  attempt: 2,
  failures: 2,
  createdAt: at("2026-11-21T09:00:00.001Z"),
  runAt: at("2026-11-21T09:00:01Z"),
  startedAt: at("2026-11-21T09:00:01.500Z"),
  finishedAt: at("2026-11-21T09:00:02Z"),
  workerId: "w-1",
  attempts: [
    {
      attempt: 1,
      workerId: "w-1",
      startedAt: at("2026-11-21T09:00:00.100Z"),
      endedAt: at("2026-11-21T09:00:00.350Z"),
      outcome: "failed",
      error: { name: "Error", message: "timeout", reason: "handler" },
    },
  ],
});

const succeeded: Job = create(JobSchema, {
  jobId: "019aa6cf-8e4b-7d2a-8000-000000000002",
  functionName: "demo:shell:upper",
  state: JobState.SUCCESS,
  args: bytes(`["hello"]`),
  result: bytes(`["HELLO"]`),
  options: { maxAttempts: 3, backoff: 3, initialDelayMs: 1000, maxDelayMs: 60000, jitter: 0.1, timeoutMs: 30000 },
  attempt: 1,
  createdAt: at("2026-11-21T09:00:00Z"),
  runAt: at("2026-11-21T09:00:00Z"),
  startedAt: at("2026-11-21T09:00:00.010Z"),
  finishedAt: at("2026-11-21T09:00:00.020Z"),
  workerId: "w-2",
});

const parked: Job = create(JobSchema, {
  jobId: "019aa6cf-8e4b-7d2a-8000-000000000003",
  functionName: "shop:orders:process",
  state: JobState.SUSPENDED,
  args: bytes(`["order-1"]`),
  attempt: 1,
  createdAt: at("2026-11-21T09:00:00Z"),
  runAt: at("2026-11-21T09:00:00Z"),
  startedAt: at("2026-11-21T09:00:00.010Z"),
  workerId: "w-2",
  waits: [
    { name: "cool-off", kind: CheckpointKind.SLEEP, dueAt: at("2026-11-24T09:05:00Z") },
    { name: "packed", kind: CheckpointKind.EVENT, eventName: "packed:order-1", dueAt: at("2026-11-22T09:05:00Z") },
    { name: "child", kind: CheckpointKind.JOB, jobId: "019aa6cf-8e4b-7d2a-8000-000000000004" },
  ],
  checkpoints: [
    { name: "charge", kind: CheckpointKind.STEP, recordedAt: at("2026-11-21T09:00:00.020Z"), seq: 1, op: 0 },
    {
      name: "reserve",
      kind: CheckpointKind.STEP,
      recordedAt: at("2026-11-21T09:00:00.030Z"),
      error: { name: "SoldOutError", message: "no more of it", reason: "handler" },
    },
    {
      name: "ship",
      kind: CheckpointKind.STEP,
      recordedAt: at("2026-11-21T09:00:00.040Z"),
      error: { name: "Error", message: "no truck", reason: "handler" },
      ...{ seq: 0, op: 4_000_000_000, endedAttempt: true },
    },
    { name: "approved", kind: CheckpointKind.SIGNAL, recordedAt: at("2026-11-21T09:00:00.050Z"), seq: 2, op: 7 },
    { name: "ship#2", kind: CheckpointKind.TRY, recordedAt: at("2026-11-21T09:00:00.060Z"), op: 0 },
    { name: "drift", kind: CheckpointKind.NOTE, recordedAt: at("2026-11-21T09:00:00.070Z"), op: 0 },
    { name: "paid", kind: CheckpointKind.EVENT, recordedAt: at("2026-11-21T09:00:01Z"), timedOut: true },
  ],
});

const undoing: Job = create(JobSchema, {
  jobId: "019aa6cf-8e4b-7d2a-8000-000000000005",
  functionName: "mail:send",
  state: JobState.PENDING,
  args: dead.args,
  parentId: dead.jobId,
  undoOf: dead.jobId,
  options: { ...dead.options!, maxAttempts: 10, idempotencyKey: "" },
  createdAt: dead.finishedAt!,
  runAt: dead.finishedAt!,
});

const tree: JobNode = {
  job: parked,
  hasMore: false,
  children: [
    { job: succeeded, hasMore: true, children: [{ job: dead, hasMore: false, children: [] }] },
    { job: dead, hasMore: false, children: [{ job: undoing, hasMore: false, children: [] }] },
  ],
};

const happened = create(EventSchema, {
  name: "packed:order-1",
  payload: bytes(`{"tracking":12345678901234567890}`),
  emittedAt: at("2026-11-21T09:00:00Z"),
});

const now = Date.parse("2026-11-21T09:05:00Z");

async function* pages(...all: readonly (readonly Job[])[]): AsyncGenerator<readonly Job[]> {
  yield* all;
}

async function listed(flags: FormatFlags, stdout = new Recorder()): Promise<string> {
  await new Output(stdout, flags, {}, () => now).list(pages([dead], [succeeded]), JOB_LISTING);
  return stdout.text;
}

async function shown(job: Job, flags: FormatFlags, stdout = new Recorder()): Promise<string> {
  await new Output(stdout, flags, { NO_COLOR: "1" }, () => now).record(jobRecord(job, now));
  return stdout.text;
}

describe("jobs for programs", () => {
  test("a job as JSON", async () => {
    expectGolden("json/job-dead.json", await shown(dead, { json: true }));
    expectGolden("json/job-success.json", await shown(succeeded, { json: true }));
  });

  test("a list as JSON is one document, over pages", async () => {
    const text = await listed({ json: true });
    expectGolden("json/jobs.json", text);
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["jobs"]);
  });

  test("an empty list as JSON is a document too", async () => {
    const stdout = new Recorder();
    await new Output(stdout, { json: true }, {}).list(pages(), JOB_LISTING);
    expect(JSON.parse(stdout.text)).toEqual({ jobs: [] });
    await new Output(stdout, { json: true }, {}).list(pages([], []), JOB_LISTING);
    expect(stdout.text).toBe(`{"jobs":[]}\n`.repeat(2));
  });

  test("a list as JSON lines has one object a line", async () => {
    const lines = (await listed({ jsonl: true })).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { jobId: string }).jobId)).toEqual([dead.jobId, succeeded.jobId]);
  });

  test("ids alone", async () => {
    expect(await listed({ quiet: true })).toBe(`${dead.jobId}\n${succeeded.jobId}\n`);
  });

  test("a pipe gets tabs, whole ids and ISO times", async () => {
    expectGolden("json/jobs.tsv", await listed({}));
    expectGolden("json/job-dead.tsv", await shown(dead, {}));
  });

  test("both shapes of a job have the same keys, whatever its state", () => {
    expect(Object.keys(jobJson(dead))).toEqual(Object.keys(jobJson(succeeded)));
    expect(Object.keys(JOB_LISTING.json(dead) as object)).toEqual(Object.keys(jobJson(dead)).slice(0, -5));
  });

  test("functions as JSON", async () => {
    const stdout = new Recorder();
    const stats = create(FunctionStatsSchema, {
      functionName: "mail:send",
      counts: [
        { state: JobState.PENDING, count: 3n },
        { state: JobState.DEAD, count: 1n },
      ],
      workers: 1,
      freeSlots: 9,
    });
    await new Output(stdout, { json: true }, {}).list(onePage([stats]), FUNCTIONS);
    expectGolden("json/functions.json", stdout.text);
  });
});

describe("what a parked job waits for and recorded", () => {
  test("as JSON and for a person", async () => {
    expectGolden("json/job-parked.json", await shown(parked, { json: true }));
    expectGolden("json/job-parked.record.txt", await shown(parked, {}, new Recorder(true)));
  });
});

describe("a tree of jobs", () => {
  test("as JSON is nested, in a pipe has one line a job with its depth", async () => {
    expectGolden("json/job-tree.json", `${toJson(treeJson(tree), 2)}\n`);
    const stdout = new Recorder();
    await new Output(stdout, {}, {}, () => now).list(onePage(treeRows(tree)), TREE_LISTING);
    expectGolden("json/job-tree.tsv", stdout.text);
  });

  test("is drawn for a person", async () => {
    const stdout = new Recorder(true);
    const listing = { ...TREE_LISTING, columns: TREE_LISTING.columns.slice(1) };
    await new Output(stdout, {}, { NO_COLOR: "1" }, () => now).list(onePage(treeRows(tree)), listing);
    expectGolden("json/job-tree.table.txt", stdout.text);
  });
});

describe("an undo job", () => {
  test("names the job whose steps it undoes", async () => {
    expectGolden("json/job-undo.json", await shown(undoing, { json: true }));
    expectGolden("json/job-undo.record.txt", await shown(undoing, {}, new Recorder(true)));
  });
});

describe("an event", () => {
  test("as JSON, also one that was just emitted", async () => {
    expectGolden("json/event.json", `${toJson(eventJson(happened), 2)}\n`);
    expectGolden(
      "json/event-emitted.json",
      `${toJson(emittedEventRecord(happened, { created: false, woken: 2 }).json, 2)}\n`,
    );
  });

  test("for a person", async () => {
    const stdout = new Recorder(true);
    await new Output(stdout, {}, { NO_COLOR: "1" }, () => now).record(eventRecord(happened, now));
    expectGolden("json/event.record.txt", stdout.text);
  });
});

describe("jobs for people", () => {
  test("a table has short ids, relative times and no control characters", async () => {
    const text = await listed({}, new Recorder(true));
    expectGolden("json/jobs.table.txt", text.replaceAll(/\u001b\[\d+m/g, ""));
    expect(text).not.toContain("\u001b[2J");
  });

  test("tables fit into 80 columns, with everything but the error", async () => {
    const jobs = await listed({}, new Recorder(true, 80));
    const stdout = new Recorder(true, 80);
    const listing = { ...TREE_LISTING, columns: TREE_LISTING.columns.slice(1) };
    await new Output(stdout, {}, { NO_COLOR: "1" }, () => now).list(onePage(treeRows(tree)), listing);
    const text = jobs.replaceAll(/\u001b\[\d+m/g, "");
    expectGolden("json/jobs.80.txt", text);
    expectGolden("json/job-tree.80.txt", stdout.text);
    expect(linesOver80(text + stdout.text)).toEqual([]);
  });

  test("--raw lets them through", async () => {
    expect(await listed({ raw: true }, new Recorder(true))).toContain("\u001b[2J");
  });

  test("everything about a job", async () => {
    expectGolden("json/job-dead.record.txt", await shown(dead, {}, new Recorder(true)));
  });
});
