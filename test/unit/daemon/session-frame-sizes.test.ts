import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { WIRE_LIMITS } from "#proto/contract.ts";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { encodeSessionResponse } from "#proto/gen/reseolio/v1/session_daemon_frames.ts";
import {
  AssignmentSchema,
  FinishedJobSchema,
  ReplySchema,
  type SessionResponse,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { DaemonError } from "../../../src/daemon/core/errors.ts";
import { fromEnqueueResult } from "../../../src/daemon/rpc/messages/job-messages.ts";
import { SessionOutbox } from "../../../src/daemon/rpc/session/session-outbox.ts";

async function frames(outbox: SessionOutbox): Promise<readonly SessionResponse[]> {
  outbox.end();
  return Array.fromAsync(outbox.frames());
}

function expectReadable(sent: readonly SessionResponse[]): void {
  const sizes = sent.map((frame) => encodeSessionResponse(frame).byteLength);
  expect(Math.max(...sizes)).toBeLessThan(WIRE_LIMITS.messageBytes);
}

test("P16: frames stay readable, however long the errors of the jobs are that ended at once", async () => {
  const outbox = new SessionOutbox();
  const error = { name: "Error", message: "\u20ac".repeat(5_000), stack: "s".repeat(16_000), reason: "terminal" };
  for (let index = 0; index < 500; index++) {
    outbox.finish(create(FinishedJobSchema, { jobId: `job-${index}`, state: JobState.DEAD, error }));
  }
  const sent = await frames(outbox);
  expectReadable(sent);
  expect(sent.flatMap((frame) => frame.finished).map(({ jobId }) => jobId)).toEqual(
    Array.from({ length: 500 }, (_, index) => `job-${index}`),
  );
});

test("so do those of very many small ends, of jobs with large headers, and of refused calls", async () => {
  const outbox = new SessionOutbox();
  const jobId = Bun.randomUUIDv7();
  for (let index = 0; index < 200_000; index++) {
    outbox.finish(create(FinishedJobSchema, { jobId, state: JobState.SUCCESS }));
  }
  const headers = { baggage: "b".repeat(16_000) };
  for (let index = 0; index < 500; index++) outbox.assign([create(AssignmentSchema, { jobId, headers })]);
  const refused = { ok: false, error: new DaemonError("already_exists", "k".repeat(1_200), { metadata: { jobId } }) };
  const enqueued = Array.from({ length: 100 }, () =>
    fromEnqueueResult(refused as { ok: false; error: DaemonError }, null),
  );
  for (let frameId = 0; frameId < 100; frameId++) outbox.reply(create(ReplySchema, { frameId, enqueued }));
  const sent = await frames(outbox);
  expectReadable(sent);
  expect(sent.flatMap((frame) => frame.finished)).toHaveLength(200_000);
  expect(sent.flatMap((frame) => frame.assignments)).toHaveLength(500);
  expect(sent.flatMap((frame) => frame.replies).map(({ frameId }) => frameId)).toEqual([...Array(100).keys()]);
});
