/**
 * The daemon's side of a session's frames, by hand like the client's side in `session-codec.ts`, and held equal to the
 * generated code by a test.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { StatusSchema } from "./gen/google/rpc/status_pb.ts";
import { type EnqueuedJob, JobErrorSchema, JobOptionsSchema, type NewJob } from "./gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "./gen/reseolio/v1/job_service_pb.ts";
import {
  type Assignment,
  FailureSchema,
  type FinishedJob,
  HeartbeatSchema,
  HeldLeaseSchema,
  HelloSchema,
  type OpenWait,
  type Outcome,
  ParkSchema,
  type RecordResult,
  type Release,
  type Reply,
  RevocationSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  WelcomeSchema,
} from "./gen/reseolio/v1/session_service_pb.ts";
import { readNewCheckpoint, writeRecordedCheckpoint } from "./session-checkpoint.ts";
import { readMessage, type WireReader } from "./wire-reader.ts";
import { DELIMITED, tag, VARINT, WireWriter } from "./wire-writer.ts";

/**
 * What `fromBinary` reads. Args and results are views of `bytes`, which must not be written to again, and which stay in
 * memory as long as one of those is held.
 *
 * @throws MalformedFrameError, which is the client's fault
 */
export function decodeSessionRequest(bytes: Uint8Array): SessionRequest {
  return readMessage(SessionRequestSchema, bytes, readRequest);
}

function readRequest(reader: WireReader): SessionRequest {
  const frame: SessionRequest = {
    $typeName: "reseolio.v1.SessionRequest",
    frameId: 0,
    addFunctions: [],
    enqueues: [],
    outcomes: [],
    awaitJobIds: [],
    unawaitJobIds: [],
    drain: false,
    checkpoints: [],
    heartbeats: [],
    wakes: [],
  };
  while (!reader.isAtEnd) readRequestField(reader, frame);
  return frame;
}

function readRequestField(reader: WireReader, frame: SessionRequest): void {
  switch (reader.tag()) {
    case tag(1, VARINT):
      frame.frameId = reader.number();
      return;
    case tag(2, DELIMITED):
      // The generated code merges a message that comes twice.
      if (frame.hello !== undefined) return reader.giveUp();
      frame.hello = fromBinary(HelloSchema, reader.bytes());
      return;
    case tag(3, DELIMITED):
      frame.addFunctions.push(reader.text());
      return;
    case tag(4, DELIMITED):
      frame.enqueues.push(readNewJob(reader));
      return;
    case tag(5, DELIMITED):
      frame.outcomes.push(readOutcome(reader));
      return;
    case tag(6, DELIMITED):
      frame.awaitJobIds.push(reader.text());
      return;
    case tag(7, DELIMITED):
      frame.unawaitJobIds.push(reader.text());
      return;
    case tag(8, VARINT):
      frame.drain = reader.flag();
      return;
    case tag(9, DELIMITED):
      frame.checkpoints.push(readNewCheckpoint(reader));
      return;
    case tag(10, DELIMITED):
      frame.heartbeats.push(fromBinary(HeartbeatSchema, reader.bytes()));
      return;
    case tag(11, DELIMITED):
      frame.wakes.push(fromBinary(HeldLeaseSchema, reader.bytes()));
      return;
    default:
      reader.giveUp();
  }
}

const NO_BYTES = new Uint8Array(0);

function readNewJob(reader: WireReader): NewJob {
  const outer = reader.enter();
  const job: NewJob = { $typeName: "reseolio.v1.NewJob", jobId: "", functionName: "", args: NO_BYTES, parentId: "" };
  while (!reader.isAtEnd) readNewJobField(reader, job);
  reader.leave(outer);
  return job;
}

function readNewJobField(reader: WireReader, job: NewJob): void {
  switch (reader.tag()) {
    case tag(1, DELIMITED):
      job.jobId = reader.text();
      return;
    case tag(2, DELIMITED):
      job.functionName = reader.name();
      return;
    case tag(3, DELIMITED):
      job.args = reader.bytes();
      return;
    case tag(4, DELIMITED):
      if (job.options !== undefined) return reader.giveUp();
      job.options = fromBinary(JobOptionsSchema, reader.bytes());
      return;
    case tag(5, DELIMITED):
      job.parentId = reader.text();
      return;
    default:
      reader.giveUp();
  }
}

function readOutcome(reader: WireReader): Outcome {
  const outer = reader.enter();
  const outcome: Outcome = {
    $typeName: "reseolio.v1.Outcome",
    jobId: "",
    leaseToken: 0,
    outcome: { case: undefined },
    durationUs: 0,
  };
  while (!reader.isAtEnd) readOutcomeField(reader, outcome);
  reader.leave(outer);
  return outcome;
}

function readOutcomeField(reader: WireReader, outcome: Outcome): void {
  const field = reader.tag();
  switch (field) {
    case tag(1, DELIMITED):
      outcome.jobId = reader.text();
      return;
    case tag(2, VARINT):
      outcome.leaseToken = reader.number();
      return;
    case tag(3, DELIMITED):
    case tag(4, DELIMITED):
    case tag(5, DELIMITED):
    case tag(7, DELIMITED):
      // Of two members the last one counts, merged with what was there of it.
      if (outcome.outcome.case !== undefined) return reader.giveUp();
      outcome.outcome = readEnd(reader, field);
      return;
    case tag(6, VARINT):
      outcome.durationUs = reader.number();
      return;
    default:
      reader.giveUp();
  }
}

function readEnd(reader: WireReader, field: number): Outcome["outcome"] {
  if (field === tag(3, DELIMITED)) return { case: "success", value: reader.bytes() };
  if (field === tag(4, DELIMITED)) return { case: "failure", value: fromBinary(FailureSchema, reader.bytes()) };
  if (field === tag(5, DELIMITED)) return { case: "release", value: readRelease(reader) };
  return { case: "park", value: fromBinary(ParkSchema, reader.bytes()) };
}

function readRelease(reader: WireReader): Release {
  const outer = reader.enter();
  const release: Release = { $typeName: "reseolio.v1.Release", started: false, mismatch: "" };
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (field === tag(1, VARINT)) release.started = reader.flag();
    else if (field === tag(2, DELIMITED)) release.mismatch = reader.text();
    else reader.giveUp();
  }
  reader.leave(outer);
  return release;
}

/** Frames are written in one go, so that one writer is enough. */
const writer = new WireWriter();

/**
 * The same bytes as `toBinary` gives, in an array of their own that nobody else writes to.
 *
 * @throws RangeError for a number that is not a uint32, naming its field
 */
export function encodeSessionResponse(frame: SessionResponse): Uint8Array<ArrayBuffer> {
  writer.clear();
  if (frame.welcome !== undefined) writer.member(1, toBinary(WelcomeSchema, frame.welcome));
  for (const reply of frame.replies) writeReply(reply);
  for (const assignment of frame.assignments) writeAssignment(assignment);
  for (const revocation of frame.revocations) writer.member(4, toBinary(RevocationSchema, revocation));
  for (const finished of frame.finished) writeFinishedJob(finished);
  for (const lease of frame.recalls) writer.member(6, toBinary(HeldLeaseSchema, lease));
  writer.flag(7, frame.drain);
  for (const checkpoint of frame.checkpoints) writeRecordedCheckpoint(writer, 8, checkpoint);
  writer.unknown(frame.$unknown);
  return writer.finish();
}

function writeReply(reply: Reply): void {
  const mark = writer.begin(2);
  writer.number(1, reply.frameId);
  for (const result of reply.enqueued) writeEnqueueResult(result);
  writer.packed(3, reply.settled);
  for (const result of reply.recorded) writeRecordResult(result);
  writer.unknown(reply.$unknown);
  writer.end(mark);
}

function writeRecordResult(result: RecordResult): void {
  const mark = writer.begin(4);
  writer.number(1, result.result);
  writer.text(2, result.message);
  writer.unknown(result.$unknown);
  writer.end(mark);
}

function writeEnqueueResult(result: EnqueueResult): void {
  const mark = writer.begin(2);
  switch (result.result.case) {
    case "job":
      writeEnqueuedJob(result.result.value);
      break;
    case "error":
      writer.member(2, toBinary(StatusSchema, result.result.value));
      break;
    case undefined:
  }
  writer.unknown(result.$unknown);
  writer.end(mark);
}

function writeEnqueuedJob(job: EnqueuedJob): void {
  const mark = writer.begin(1);
  writer.text(1, job.jobId);
  writer.flag(2, job.deduplicated);
  writer.flag(3, job.argsDiffer);
  writer.number(4, job.state);
  writer.unknown(job.$unknown);
  writer.end(mark);
}

function writeAssignment(assignment: Assignment): void {
  const mark = writer.begin(3);
  writer.text(1, assignment.jobId);
  writer.number(2, assignment.leaseToken);
  writer.text(3, assignment.functionName);
  writer.bytes(4, assignment.args);
  writer.number(5, assignment.attempt);
  writer.number(6, assignment.maxAttempts);
  writer.number(7, assignment.timeoutMs);
  for (const name of Object.keys(assignment.headers)) writeHeader(name, assignment.headers[name] ?? "");
  writer.number(9, assignment.checkpointCount);
  writer.flag(10, assignment.resumed);
  writer.number(11, assignment.ranMs);
  writer.number(12, assignment.failures);
  writer.flag(13, assignment.unordered);
  writer.text(14, assignment.undoOf);
  for (const wait of assignment.openWaits) writeOpenWait(wait);
  if (assignment.now !== undefined) writer.member(16, toBinary(TimestampSchema, assignment.now));
  writer.unknown(assignment.$unknown);
  writer.end(mark);
}

function writeOpenWait(wait: OpenWait): void {
  const mark = writer.begin(15);
  writer.text(1, wait.name);
  writer.number(2, wait.op);
  writer.number(3, wait.kind);
  writer.optional(4, wait.leftMs);
  writer.unknown(wait.$unknown);
  writer.end(mark);
}

function writeHeader(name: string, value: string): void {
  const mark = writer.begin(8);
  writer.element(1, name);
  writer.element(2, value);
  writer.end(mark);
}

function writeFinishedJob(finished: FinishedJob): void {
  const mark = writer.begin(5);
  writer.text(1, finished.jobId);
  writer.number(2, finished.state);
  writer.bytes(3, finished.result);
  if (finished.error !== undefined) writer.member(4, toBinary(JobErrorSchema, finished.error));
  writer.unknown(finished.$unknown);
  writer.end(mark);
}
