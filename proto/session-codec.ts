/**
 * The client's side of a session's frames, written and read by hand where they are hot: jobs to enqueue, outcomes,
 * replies, assignments, ends of jobs. The generated code does the rest, and a test holds the two equal. Worth it:
 * reflection took 40 % of the client's time. The daemon's side is `session-server-codec.ts`.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { JobErrorSchema, type JobOptions, JobOptionsSchema, type NewJob } from "./gen/reseolio/v1/job_pb.ts";
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
  RevocationSchema,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  WelcomeSchema,
} from "./gen/reseolio/v1/session_service_pb.ts";
import { readRecordedCheckpoint, writeNewCheckpoint } from "./session-checkpoint.ts";
import { readReply } from "./session-reply.ts";
import { readMessage, type WireReader } from "./wire-reader.ts";
import { DELIMITED, tag, VARINT, WireWriter } from "./wire-writer.ts";

/** Frames are written in one go, so that one writer is enough. */
const writer = new WireWriter();

/**
 * The same bytes as `toBinary` gives, in an array of their own.
 *
 * @throws RangeError for a number that is not a uint32, naming its field
 */
export function writeSessionRequest(frame: SessionRequest): Uint8Array<ArrayBuffer> {
  writer.clear();
  writer.number(1, frame.frameId);
  if (frame.hello !== undefined) writer.member(2, toBinary(HelloSchema, frame.hello));
  writer.texts(3, frame.addFunctions);
  for (const job of frame.enqueues) writeNewJob(job);
  for (const outcome of frame.outcomes) writeOutcome(outcome);
  writer.texts(6, frame.awaitJobIds);
  writer.texts(7, frame.unawaitJobIds);
  writer.flag(8, frame.drain);
  for (const checkpoint of frame.checkpoints) writeNewCheckpoint(writer, 9, checkpoint);
  for (const heartbeat of frame.heartbeats) writer.member(10, toBinary(HeartbeatSchema, heartbeat));
  for (const wake of frame.wakes) writer.member(11, toBinary(HeldLeaseSchema, wake));
  writer.unknown(frame.$unknown);
  return writer.finish();
}

function writeNewJob(job: NewJob): void {
  const mark = writer.begin(4);
  writer.text(1, job.jobId);
  writer.text(2, job.functionName);
  writer.bytes(3, job.args);
  if (job.options !== undefined) writer.member(4, encodedOptions(job.options));
  writer.text(5, job.parentId);
  writer.unknown(job.$unknown);
  writer.end(mark);
}

/** A function's calls share its options, which do not change. */
const optionBytes = new WeakMap<JobOptions, Uint8Array>();

function encodedOptions(options: JobOptions): Uint8Array {
  let bytes = optionBytes.get(options);
  if (bytes === undefined) {
    bytes = toBinary(JobOptionsSchema, options);
    optionBytes.set(options, bytes);
  }
  return bytes;
}

function writeOutcome(outcome: Outcome): void {
  const mark = writer.begin(5);
  writer.text(1, outcome.jobId);
  writer.number(2, outcome.leaseToken);
  // In the order of the field numbers, as the generated code does: park comes after the duration.
  if (outcome.outcome.case !== "park") writeEnd(outcome.outcome);
  writer.number(6, outcome.durationUs);
  if (outcome.outcome.case === "park") writer.member(7, toBinary(ParkSchema, outcome.outcome.value));
  writer.unknown(outcome.$unknown);
  writer.end(mark);
}

function writeEnd(end: Outcome["outcome"]): void {
  switch (end.case) {
    case "success":
      return writer.member(3, end.value);
    case "failure":
      return writer.member(4, toBinary(FailureSchema, end.value));
    case "release": {
      const mark = writer.begin(5);
      writer.flag(1, end.value.started);
      writer.text(2, end.value.mismatch);
      writer.unknown(end.value.$unknown);
      return writer.end(mark);
    }
    case "park":
    case undefined:
  }
}

/**
 * What `fromBinary` reads. Args and results are views of `bytes`, which must not be written to again, and which stay in
 * memory as long as one of those is held. The answers of `enqueued` may be one frozen object several times.
 *
 * @throws MalformedFrameError
 */
export function readSessionResponse(bytes: Uint8Array): SessionResponse {
  return readMessage(SessionResponseSchema, bytes, readResponse);
}

function readResponse(reader: WireReader): SessionResponse {
  const frame: SessionResponse = {
    $typeName: "reseolio.v1.SessionResponse",
    replies: [],
    assignments: [],
    revocations: [],
    finished: [],
    recalls: [],
    drain: false,
    checkpoints: [],
  };
  while (!reader.isAtEnd) readResponseField(reader, frame);
  return frame;
}

function readResponseField(reader: WireReader, frame: SessionResponse): void {
  switch (reader.tag()) {
    case tag(1, DELIMITED):
      // The generated code merges a message that comes twice.
      if (frame.welcome !== undefined) return reader.giveUp();
      frame.welcome = fromBinary(WelcomeSchema, reader.bytes());
      return;
    case tag(2, DELIMITED):
      frame.replies.push(readReply(reader));
      return;
    case tag(3, DELIMITED):
      frame.assignments.push(readAssignment(reader));
      return;
    case tag(4, DELIMITED):
      frame.revocations.push(fromBinary(RevocationSchema, reader.bytes()));
      return;
    case tag(5, DELIMITED):
      frame.finished.push(readFinishedJob(reader));
      return;
    case tag(6, DELIMITED):
      frame.recalls.push(fromBinary(HeldLeaseSchema, reader.bytes()));
      return;
    case tag(7, VARINT):
      frame.drain = reader.flag();
      return;
    case tag(8, DELIMITED):
      frame.checkpoints.push(readRecordedCheckpoint(reader));
      return;
    default:
      reader.giveUp();
  }
}

const NO_BYTES = new Uint8Array(0);

function readAssignment(reader: WireReader): Assignment {
  const outer = reader.enter();
  const assignment: Assignment = {
    $typeName: "reseolio.v1.Assignment",
    jobId: "",
    leaseToken: 0,
    functionName: "",
    args: NO_BYTES,
    attempt: 0,
    maxAttempts: 0,
    timeoutMs: 0,
    headers: {},
    checkpointCount: 0,
    resumed: false,
    ranMs: 0,
    failures: 0,
    unordered: false,
    undoOf: "",
    openWaits: [],
  };
  while (!reader.isAtEnd) readAssignmentField(reader, assignment);
  reader.leave(outer);
  return assignment;
}

function readAssignmentField(reader: WireReader, assignment: Assignment): void {
  switch (reader.tag()) {
    case tag(1, DELIMITED):
      assignment.jobId = reader.text();
      return;
    case tag(2, VARINT):
      assignment.leaseToken = reader.number();
      return;
    case tag(3, DELIMITED):
      assignment.functionName = reader.name();
      return;
    case tag(4, DELIMITED):
      assignment.args = reader.bytes();
      return;
    case tag(5, VARINT):
      assignment.attempt = reader.number();
      return;
    case tag(6, VARINT):
      assignment.maxAttempts = reader.number();
      return;
    case tag(7, VARINT):
      assignment.timeoutMs = reader.number();
      return;
    case tag(8, DELIMITED):
      return readHeader(reader, assignment.headers);
    case tag(9, VARINT):
      assignment.checkpointCount = reader.number();
      return;
    case tag(10, VARINT):
      assignment.resumed = reader.flag();
      return;
    case tag(11, VARINT):
      assignment.ranMs = reader.number();
      return;
    case tag(12, VARINT):
      assignment.failures = reader.number();
      return;
    case tag(13, VARINT):
      assignment.unordered = reader.flag();
      return;
    case tag(14, DELIMITED):
      assignment.undoOf = reader.text();
      return;
    case tag(15, DELIMITED):
      assignment.openWaits.push(readOpenWait(reader));
      return;
    case tag(16, DELIMITED):
      assignment.now = fromBinary(TimestampSchema, reader.bytes());
      return;
    default:
      reader.giveUp();
  }
}

function readOpenWait(reader: WireReader): OpenWait {
  const outer = reader.enter();
  const wait: OpenWait = { $typeName: "reseolio.v1.OpenWait", name: "", op: 0, kind: 0 };
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (field === tag(1, DELIMITED)) wait.name = reader.text();
    else if (field === tag(2, VARINT)) wait.op = reader.number();
    else if (field === tag(3, VARINT)) wait.kind = reader.number();
    else if (field === tag(4, VARINT)) wait.leftMs = reader.number();
    else reader.giveUp();
  }
  reader.leave(outer);
  return wait;
}

function readHeader(reader: WireReader, headers: Record<string, string>): void {
  const outer = reader.enter();
  let name = "";
  let value = "";
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (field === tag(1, DELIMITED)) name = reader.text();
    else if (field === tag(2, DELIMITED)) value = reader.text();
    else reader.giveUp();
  }
  reader.leave(outer);
  // Assigned, it would be lost.
  if (name === "__proto__") return reader.giveUp();
  headers[name] = value;
}

function readFinishedJob(reader: WireReader): FinishedJob {
  const outer = reader.enter();
  const finished: FinishedJob = { $typeName: "reseolio.v1.FinishedJob", jobId: "", state: 0, result: NO_BYTES };
  while (!reader.isAtEnd) readFinishedField(reader, finished);
  reader.leave(outer);
  return finished;
}

function readFinishedField(reader: WireReader, finished: FinishedJob): void {
  switch (reader.tag()) {
    case tag(1, DELIMITED):
      finished.jobId = reader.text();
      return;
    case tag(2, VARINT):
      finished.state = reader.enum();
      return;
    case tag(3, DELIMITED):
      finished.result = reader.bytes();
      return;
    case tag(4, DELIMITED):
      if (finished.error !== undefined) return reader.giveUp();
      finished.error = fromBinary(JobErrorSchema, reader.bytes());
      return;
    default:
      reader.giveUp();
  }
}
