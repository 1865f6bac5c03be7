/** Checkpoints as both sides of a session write and read them by hand: workflows send one for each of their steps. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Checkpoint, JobErrorSchema } from "./gen/reseolio/v1/job_pb.ts";
import type { NewCheckpoint, RecordedCheckpoint } from "./gen/reseolio/v1/session_service_pb.ts";
import type { WireReader } from "./wire-reader.ts";
import { DELIMITED, tag, VARINT, type WireWriter } from "./wire-writer.ts";

/** A checkpoint with the lease that it belongs to. */
type LeasedCheckpoint = NewCheckpoint | RecordedCheckpoint;

export function writeNewCheckpoint(writer: WireWriter, no: number, message: NewCheckpoint): void {
  const mark = writer.begin(no);
  writeLease(writer, message);
  writer.text(4, message.awaitedJobId);
  writer.unknown(message.$unknown);
  writer.end(mark);
}

export function writeRecordedCheckpoint(writer: WireWriter, no: number, message: RecordedCheckpoint): void {
  const mark = writer.begin(no);
  writeLease(writer, message);
  writer.flag(4, message.ofUndone);
  writer.unknown(message.$unknown);
  writer.end(mark);
}

function writeLease(writer: WireWriter, message: LeasedCheckpoint): void {
  writer.text(1, message.jobId);
  writer.number(2, message.leaseToken);
  if (message.checkpoint !== undefined) writeCheckpoint(writer, message.checkpoint);
}

function writeCheckpoint(writer: WireWriter, checkpoint: Checkpoint): void {
  const mark = writer.begin(3);
  writer.text(1, checkpoint.name);
  writer.number(2, checkpoint.kind);
  writer.bytes(3, checkpoint.value);
  if (checkpoint.error !== undefined) writer.member(4, toBinary(JobErrorSchema, checkpoint.error));
  writer.flag(5, checkpoint.timedOut);
  if (checkpoint.recordedAt !== undefined) writer.member(6, toBinary(TimestampSchema, checkpoint.recordedAt));
  writer.number(7, checkpoint.failures);
  writer.number(8, checkpoint.seq);
  writer.number(9, checkpoint.asked);
  writer.optional(10, checkpoint.op);
  writer.flag(11, checkpoint.alone);
  writer.flag(12, checkpoint.prompt);
  writer.flag(13, checkpoint.undo);
  writer.flag(14, checkpoint.endedAttempt);
  writer.flag(15, checkpoint.beside);
  writer.unknown(checkpoint.$unknown);
  writer.end(mark);
}

/** Reads one with the length before it. */
export function readNewCheckpoint(reader: WireReader): NewCheckpoint {
  const message: NewCheckpoint = {
    $typeName: "reseolio.v1.NewCheckpoint",
    jobId: "",
    leaseToken: 0,
    awaitedJobId: "",
  };
  const outer = reader.enter();
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (field === tag(4, DELIMITED)) message.awaitedJobId = reader.text();
    else readLeasedField(reader, message, field);
  }
  reader.leave(outer);
  return message;
}

/** Reads one with the length before it. */
export function readRecordedCheckpoint(reader: WireReader): RecordedCheckpoint {
  const message: RecordedCheckpoint = {
    $typeName: "reseolio.v1.RecordedCheckpoint",
    jobId: "",
    leaseToken: 0,
    ofUndone: false,
  };
  const outer = reader.enter();
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (field === tag(4, VARINT)) message.ofUndone = reader.flag();
    else readLeasedField(reader, message, field);
  }
  reader.leave(outer);
  return message;
}

function readLeasedField(reader: WireReader, message: LeasedCheckpoint, field: number): void {
  switch (field) {
    case tag(1, DELIMITED):
      message.jobId = reader.text();
      return;
    case tag(2, VARINT):
      message.leaseToken = reader.number();
      return;
    case tag(3, DELIMITED):
      // The generated code merges a message that comes twice.
      if (message.checkpoint !== undefined) return reader.giveUp();
      message.checkpoint = readCheckpoint(reader);
      return;
    default:
      reader.giveUp();
  }
}

const NO_BYTES = new Uint8Array(0);

function readCheckpoint(reader: WireReader): Checkpoint {
  const outer = reader.enter();
  const checkpoint: Checkpoint = {
    $typeName: "reseolio.v1.Checkpoint",
    name: "",
    kind: 0,
    value: NO_BYTES,
    timedOut: false,
    failures: 0,
    seq: 0,
    asked: 0,
    alone: false,
    prompt: false,
    undo: false,
    beside: false,
    endedAttempt: false,
  };
  while (!reader.isAtEnd) readCheckpointField(reader, checkpoint);
  reader.leave(outer);
  return checkpoint;
}

function readCheckpointField(reader: WireReader, checkpoint: Checkpoint): void {
  const field = reader.tag();
  switch (field) {
    case tag(1, DELIMITED):
      checkpoint.name = reader.text();
      return;
    case tag(2, VARINT):
      checkpoint.kind = reader.enum();
      return;
    case tag(3, DELIMITED):
      checkpoint.value = reader.bytes();
      return;
    case tag(4, DELIMITED):
      if (checkpoint.error !== undefined) return reader.giveUp();
      checkpoint.error = fromBinary(JobErrorSchema, reader.bytes());
      return;
    case tag(5, VARINT):
      checkpoint.timedOut = reader.flag();
      return;
    case tag(6, DELIMITED):
      if (checkpoint.recordedAt !== undefined) return reader.giveUp();
      checkpoint.recordedAt = fromBinary(TimestampSchema, reader.bytes());
      return;
    case tag(7, VARINT):
      checkpoint.failures = reader.number();
      return;
    default:
      readPlace(reader, checkpoint, field);
  }
}

/** Where it stands in the sequence of what the handler was given. */
function readPlace(reader: WireReader, checkpoint: Checkpoint, field: number): void {
  switch (field) {
    case tag(8, VARINT):
      checkpoint.seq = reader.number();
      return;
    case tag(9, VARINT):
      checkpoint.asked = reader.number();
      return;
    case tag(10, VARINT):
      checkpoint.op = reader.number();
      return;
    case tag(11, VARINT):
      checkpoint.alone = reader.flag();
      return;
    case tag(12, VARINT):
      checkpoint.prompt = reader.flag();
      return;
    case tag(13, VARINT):
      checkpoint.undo = reader.flag();
      return;
    case tag(14, VARINT):
      checkpoint.endedAttempt = reader.flag();
      return;
    case tag(15, VARINT):
      checkpoint.beside = reader.flag();
      return;
    default:
      reader.giveUp();
  }
}
