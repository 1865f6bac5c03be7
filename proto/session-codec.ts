/**
 * The client's side of a session's frames, written and read by hand where they are hot: jobs to enqueue, outcomes,
 * replies, assignments. The generated code does the rest, and whatever has a field that is not known here. A test
 * holds the two equal. Worth it: reflection took 40 % of the client's time.
 */
import { fromBinary, toBinary, type UnknownField } from "@bufbuild/protobuf";
import { type NewJob, type JobOptions, JobOptionsSchema } from "./gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "./gen/reseolio/v1/job_service_pb.ts";
import {
  type Assignment,
  AssignmentSchema,
  FailureSchema,
  type Outcome,
  type Reply,
  ReplySchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  SessionResponseSchema,
} from "./gen/reseolio/v1/session_service_pb.ts";
import { WireReader, WireWriter } from "./wire.ts";

const VARINT = 0;
const DELIMITED = 2;

/** Tag of a field: its number and its wire type. */
function tag(no: number, wireType: number): number {
  return (no << 3) | wireType;
}

/** Frames are written and read in one go, so that one of each is enough. */
const writer = new WireWriter();
const reader = new WireReader();

/** A frame as the fields of a message without a schema. The first field is the frame's id, all else follows in its data. */
export function encodeSessionRequest(frame: SessionRequest): UnknownField[] {
  if (frame.hello !== undefined) return fieldsOf(toBinary(SessionRequestSchema, frame));
  writer.clear();
  writer.varint(frame.frameId);
  writeTexts(3, frame.addFunctions);
  for (const job of frame.enqueues) writeNewJob(job);
  for (const outcome of frame.outcomes) writeOutcome(outcome);
  writeTexts(6, frame.awaitJobIds);
  writeTexts(7, frame.unawaitJobIds);
  if (frame.drain) writeNumber(8, 1);
  return [{ no: 1, wireType: VARINT, data: writer.finish() }];
}

/** A message whose first field is `frame_id`, which the generated code writes first and never leaves out: it is not 0. */
function fieldsOf(bytes: Uint8Array): UnknownField[] {
  return [{ no: 1, wireType: VARINT, data: bytes.subarray(1) }];
}

function writeNewJob(job: NewJob): void {
  writer.varint(tag(4, DELIMITED));
  const mark = writer.begin();
  writeText(1, job.jobId);
  writeText(2, job.functionName);
  writeBytes(3, job.args);
  if (job.options !== undefined) writeBytes(4, encodedOptions(job.options), true);
  writeText(5, job.parentId);
  writer.end(mark);
}

/** A function's calls share its options. */
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
  writer.varint(tag(5, DELIMITED));
  const mark = writer.begin();
  writeText(1, outcome.jobId);
  writeNumber(2, outcome.leaseToken);
  writeEnd(outcome.outcome);
  writeNumber(6, outcome.durationUs);
  writer.end(mark);
}

/** A member of a oneof is written also when it is empty. */
function writeEnd(end: Outcome["outcome"]): void {
  switch (end.case) {
    case "success":
      return writeBytes(3, end.value, true);
    case "failure":
      return writeBytes(4, toBinary(FailureSchema, end.value), true);
    case "release": {
      writer.varint(tag(5, DELIMITED));
      const mark = writer.begin();
      if (end.value.started) writeNumber(1, 1);
      return writer.end(mark);
    }
    case undefined:
  }
}

function writeNumber(no: number, value: number): void {
  if (value === 0) return;
  writer.varint(tag(no, VARINT));
  writer.varint(value);
}

function writeText(no: number, value: string): void {
  if (value === "") return;
  writer.varint(tag(no, DELIMITED));
  writer.text(value);
}

function writeTexts(no: number, values: readonly string[]): void {
  for (const value of values) {
    writer.varint(tag(no, DELIMITED));
    writer.text(value);
  }
}

function writeBytes(no: number, value: Uint8Array, always = false): void {
  if (value.length === 0 && !always) return;
  writer.varint(tag(no, DELIMITED));
  writer.bytes(value);
}

/** A frame from the fields of a message without a schema. Throws when they are malformed. */
export function decodeSessionResponse(fields: readonly UnknownField[]): SessionResponse {
  const replies: Reply[] = [];
  const assignments: Assignment[] = [];
  const rest: UnknownField[] = [];
  for (const field of fields) {
    if (field.wireType !== DELIMITED) rest.push(field);
    else if (field.no === 2) replies.push(readReply(field.data) ?? fromBinary(ReplySchema, content(field.data)));
    else if (field.no === 3)
      assignments.push(readAssignment(field.data) ?? fromBinary(AssignmentSchema, content(field.data)));
    else rest.push(field);
  }
  reader.close();
  if (rest.length > 0) return { ...readRest(rest), replies, assignments };
  return { $typeName: "reseolio.v1.SessionResponse", replies, assignments, ...EMPTY_REST };
}

const EMPTY_REST = { revocations: [], finished: [], recalls: [], drain: false };

function readRest(fields: readonly UnknownField[]): SessionResponse {
  const chunks: Uint8Array[] = [];
  for (const { no, wireType, data } of fields) {
    writer.clear();
    writer.varint(tag(no, wireType));
    chunks.push(writer.finish(), data);
  }
  return fromBinary(SessionResponseSchema, Buffer.concat(chunks));
}

/** Without the length before it. */
function content(data: Uint8Array): Uint8Array {
  return reader.open(data).bytes();
}

/** Null when it has a field that is not known here. */
function readReply(data: Uint8Array): Reply | null {
  reader.open(data);
  const reply: Reply = { $typeName: "reseolio.v1.Reply", frameId: 0, enqueued: [], settled: [] };
  reader.enter();
  while (!reader.isAtEnd) {
    switch (reader.varint()) {
      case tag(1, VARINT):
        reply.frameId = reader.varint();
        break;
      case tag(2, DELIMITED): {
        const result = readStored();
        if (result === null) return null;
        reply.enqueued.push(result);
        break;
      }
      case tag(3, DELIMITED):
        readPacked(reply.settled);
        break;
      default:
        return null;
    }
  }
  return reply;
}

/** The usual answer to an enqueue: stored, under the id that was asked for. */
const STORED: EnqueueResult = Object.freeze({
  $typeName: "reseolio.v1.EnqueueResult",
  result: Object.freeze({
    case: "job",
    value: Object.freeze({
      $typeName: "reseolio.v1.EnqueuedJob",
      jobId: "",
      deduplicated: false,
      argsDiffer: false,
      state: 0,
    }),
  }),
});

/** Null for any other answer. */
function readStored(): EnqueueResult | null {
  const outer = reader.enter();
  const isStored = !reader.isAtEnd && reader.varint() === tag(1, DELIMITED) && reader.varint() === 0 && reader.isAtEnd;
  reader.leave(outer);
  return isStored ? STORED : null;
}

function readPacked(values: number[]): void {
  const outer = reader.enter();
  while (!reader.isAtEnd) values.push(reader.varint());
  reader.leave(outer);
}

/** Null when it has a field that is not known here. */
function readAssignment(data: Uint8Array): Assignment | null {
  reader.open(data);
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
  };
  reader.enter();
  while (!reader.isAtEnd) if (!readAssignmentField(assignment)) return null;
  return assignment;
}

const NO_BYTES = new Uint8Array(0);

function readAssignmentField(assignment: Assignment): boolean {
  switch (reader.varint()) {
    case tag(1, DELIMITED):
      assignment.jobId = reader.text();
      return true;
    case tag(2, VARINT):
      assignment.leaseToken = reader.varint();
      return true;
    case tag(3, DELIMITED):
      assignment.functionName = reader.name();
      return true;
    case tag(4, DELIMITED):
      assignment.args = reader.bytes();
      return true;
    case tag(5, VARINT):
      assignment.attempt = reader.varint();
      return true;
    case tag(6, VARINT):
      assignment.maxAttempts = reader.varint();
      return true;
    case tag(7, VARINT):
      assignment.timeoutMs = reader.varint();
      return true;
    case tag(8, DELIMITED):
      return readHeader(assignment.headers);
    default:
      return false;
  }
}

function readHeader(headers: Record<string, string>): boolean {
  const outer = reader.enter();
  let name = "";
  let value = "";
  while (!reader.isAtEnd) {
    const field = reader.varint();
    if (field === tag(1, DELIMITED)) name = reader.text();
    else if (field === tag(2, DELIMITED)) value = reader.text();
    else return false;
  }
  reader.leave(outer);
  headers[name] = value;
  return true;
}
