import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReplySchema, type SessionRequest } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { Backoff } from "../../../src/sdk/session/backoff.ts";
import { Batcher } from "../../../src/sdk/session/batcher.ts";
import type { EnqueueAnswer } from "../../../src/sdk/session/frames.ts";
import { Fifo } from "../../../src/sdk/session/queues.ts";
import { replyTo } from "./scripted-daemon.ts";

function call(jobId: string, options: { deadlineAt?: number; bytes?: number } = {}) {
  const answers: EnqueueAnswer[] = [];
  return {
    job: {
      $typeName: "reseolio.v1.NewJob" as const,
      jobId,
      functionName: "t:run",
      args: new Uint8Array(options.bytes ?? 2),
      parentId: "",
    },
    deadlineAt: options.deadlineAt ?? Infinity,
    answers,
    answer: (answer: EnqueueAnswer): void => void answers.push(answer),
  };
}

function report(jobId: string, bytes = 2) {
  const results: SettleResult[] = [];
  return {
    outcome: {
      $typeName: "reseolio.v1.Outcome" as const,
      jobId,
      leaseToken: 1,
      outcome: { case: "success" as const, value: new Uint8Array(bytes) },
      durationUs: 0,
    },
    results,
    answer: (result: SettleResult): void => void results.push(result),
  };
}

const ids = (frame: SessionRequest): string[] => frame.enqueues.map((job) => job.jobId);
const reply = (frame: SessionRequest) => create(ReplySchema, replyTo(frame));

describe("the batcher", () => {
  test("answers each call and outcome with its own result", () => {
    const batcher = new Batcher();
    const calls = ["a", "b"].map((id) => call(id));
    const outcome = report("c");
    for (const one of calls) batcher.enqueue(one);
    batcher.report(outcome);
    expect(batcher.pending).toBe(3);
    const frame = batcher.takeFrame(2, 0);
    expect(batcher.hasWork).toBe(false);
    expect(batcher.answer(reply(frame))).toBe(true);
    expect(calls.map((one) => one.answers.length)).toEqual([1, 1]);
    expect(outcome.results).toEqual([SettleResult.ACCEPTED]);
    expect(batcher.pending).toBe(0);
  });

  test("a reply that fits no frame, or not its content, is refused and answers nobody", () => {
    const batcher = new Batcher();
    const one = call("a");
    batcher.enqueue(one);
    const frame = batcher.takeFrame(2, 0);
    expect(batcher.answer(create(ReplySchema, { frameId: 3 }))).toBe(false);
    expect(batcher.answer(create(ReplySchema, { frameId: 2 }))).toBe(false);
    expect(one.answers).toEqual([]);
    expect(batcher.answer(reply(frame))).toBe(true);
  });

  test("P2: after a break, what has no answer comes first and in its order, what has one does not come again", () => {
    const batcher = new Batcher();
    for (const id of ["a", "b"]) batcher.enqueue(call(id));
    const first = batcher.takeFrame(2, 0);
    batcher.enqueue(call("c"));
    const second = batcher.takeFrame(3, 0);
    batcher.enqueue(call("d"));
    batcher.report(report("r"));
    batcher.awaitJob("old");
    batcher.unawaitJob("gone");
    batcher.answer(reply(second));
    batcher.restart(["j1", "j2"], 0);
    expect(ids(first)).toEqual(["a", "b"]);
    const again = batcher.takeFrame(2, 0);
    expect(ids(again)).toEqual(["a", "b", "d"]);
    expect(again.outcomes.map((outcome) => outcome.jobId)).toEqual(["r"]);
    expect(again.awaitJobIds).toEqual(["j1", "j2"]);
    expect(again.unawaitJobIds).toEqual([]);
    expect(batcher.pending).toBe(4);
  });

  test("calls past their time are given up, sent or not, and never sent again", () => {
    const batcher = new Batcher();
    const sent = call("sent", { deadlineAt: 10 });
    const waiting = call("waiting", { deadlineAt: 10 });
    const patient = call("patient", { deadlineAt: 1000 });
    batcher.enqueue(sent);
    batcher.takeFrame(2, 0);
    batcher.enqueue(waiting);
    batcher.enqueue(patient);
    batcher.expire(9);
    expect(sent.answers).toEqual([]);
    batcher.expire(10);
    expect(sent.answers).toEqual([{ kind: "expired" }]);
    expect(waiting.answers).toEqual([{ kind: "expired" }]);
    batcher.restart([], 20);
    expect(ids(batcher.takeFrame(2, 20))).toEqual(["patient"]);
  });

  test("a frame keeps to its limits in items and in bytes, and always takes one of each kind", () => {
    const batcher = new Batcher();
    for (let index = 0; index < 1_500; index++) batcher.enqueue(call(`c${index}`));
    expect(batcher.takeFrame(2, 0).enqueues).toHaveLength(1_000);
    expect(batcher.takeFrame(3, 0).enqueues).toHaveLength(500);
    const big = 1024 * 1024;
    batcher.report(report("r1", big));
    batcher.report(report("r2", big));
    batcher.enqueue(call("e1", { bytes: big }));
    batcher.enqueue(call("e2", { bytes: big }));
    const frame = batcher.takeFrame(4, 0);
    expect([frame.outcomes.length, frame.enqueues.length]).toEqual([1, 1]);
  });

  test("a frame that only says what is awaited has no answer, and does not count as under way", () => {
    const batcher = new Batcher();
    batcher.awaitJob("a");
    batcher.unawaitJob("b");
    const frame = batcher.takeFrame(2, 0);
    expect([frame.frameId, frame.awaitJobIds, frame.unawaitJobIds]).toEqual([0, ["a"], ["b"]]);
    expect([batcher.unanswered, batcher.oldestSentAt, batcher.hasWork]).toEqual([0, null, false]);
  });

  test("awaits beside anything else, or too many for a frame, have an answer: it bounds what is under way", () => {
    const batcher = new Batcher();
    batcher.awaitJob("a");
    batcher.enqueue(call("b"));
    expect(batcher.takeFrame(2, 0).frameId).toBe(2);
    for (let index = 0; index < 1_001; index++) batcher.awaitJob(`a${index}`);
    const frame = batcher.takeFrame(3, 0);
    expect([frame.frameId, frame.awaitJobIds.length]).toEqual([3, 1_000]);
    expect(batcher.takeFrame(4, 0)).toMatchObject({ frameId: 0, awaitJobIds: ["a1000"] });
  });

  test("dropped reports are not sent; closing ends every call", () => {
    const batcher = new Batcher();
    batcher.report(report("keep"));
    batcher.report(report("drop"));
    batcher.dropReports((outcome) => outcome.jobId === "drop");
    expect(batcher.takeFrame(2, 0).outcomes.map((outcome) => outcome.jobId)).toEqual(["keep"]);
    const one = call("a");
    batcher.enqueue(one);
    batcher.close();
    expect(one.answers).toEqual([{ kind: "closed" }]);
    expect(batcher.hasWork).toBe(false);
  });
});

describe("calls that the daemon cannot take for now", () => {
  const unavailable = { code: 14, message: "the daemon is stopping" };
  const answerAll = (batcher: Batcher, frame: SessionRequest): void => {
    const enqueued = frame.enqueues.map(() => ({ result: { case: "error" as const, value: unavailable } }));
    batcher.answer(create(ReplySchema, { frameId: frame.frameId, enqueued }));
  };

  test("wait, and go out again with the same id in front of later ones, at the next try or on the next stream", () => {
    const batcher = new Batcher();
    const calls = ["a", "b", "c"].map((id) => call(id));
    batcher.enqueue(calls[0]!);
    answerAll(batcher, batcher.takeFrame(2, 0));
    expect(batcher.hasWork).toBe(false);
    expect(batcher.pending).toBe(1);
    batcher.enqueue(calls[1]!);
    batcher.retryPostponed();
    const second = batcher.takeFrame(3, 0);
    expect(ids(second)).toEqual(["a", "b"]);
    answerAll(batcher, second);
    batcher.enqueue(calls[2]!);
    batcher.restart([], 0);
    const third = batcher.takeFrame(2, 0);
    expect(ids(third)).toEqual(["a", "b", "c"]);
    batcher.answer(reply(third));
    expect(calls.map((one) => one.answers.map((answer) => answer.kind))).toEqual([
      ["enqueued"],
      ["enqueued"],
      ["enqueued"],
    ]);
  });

  test("end at their deadline, and when the client is closed", () => {
    const batcher = new Batcher();
    const patient = call("a");
    const hasty = call("b", { deadlineAt: 10 });
    for (const one of [patient, hasty]) batcher.enqueue(one);
    answerAll(batcher, batcher.takeFrame(2, 0));
    batcher.expire(10);
    expect([patient.answers, hasty.answers]).toEqual([[], [{ kind: "expired" }]]);
    batcher.close();
    expect([patient.answers, hasty.answers]).toEqual([[{ kind: "closed" }], [{ kind: "expired" }]]);
  });
});

describe("a queue", () => {
  test("keeps its order through many shifts, insertions at the front and removals", () => {
    const fifo = new Fifo<number>();
    for (let value = 0; value < 5_000; value++) fifo.push(value);
    for (let value = 0; value < 3_000; value++) expect(fifo.shift()).toBe(value);
    fifo.unshiftAll([1, 2]);
    expect(fifo.remove((value) => value % 2 === 0).length).toBe(1_001);
    expect([...fifo].slice(0, 3)).toEqual([1, 3_001, 3_003]);
    expect(fifo.length).toBe(1_001);
    while (fifo.length > 0) fifo.shift();
    expect(fifo.shift()).toBeUndefined();
    expect(fifo.peek()).toBeUndefined();
  });
});

describe("reconnection delays", () => {
  test("double from the first to the last, within half and the whole, and start again after success", () => {
    const low = new Backoff(50, 2_000, () => 0);
    const high = new Backoff(50, 2_000, () => 1);
    expect(Array.from({ length: 8 }, () => low.nextMs())).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000]);
    expect(Array.from({ length: 8 }, () => high.nextMs())).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
    low.reset();
    expect(low.nextMs()).toBe(25);
  });
});
