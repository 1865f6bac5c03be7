/** Checkpoints as both sides of a session write and read them by hand: workflows send one for each of their steps. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Checkpoint, JobErrorSchema } from "./gen/reseolio/v1/job_pb.ts";
import type { NewCheckpoint, RecordedCheckpoint } from "./gen/reseolio/v1/session_service_pb.ts";
import type { WireReader } from "./wire-reader.ts";
import { DELIMITED, tag, VARINT, type WireWriter } from "./wire-writer.ts";

/** A checkpoint with the lease that it belongs to: both messages have the same fields. */
type LeasedCheckpoint = NewCheckpoint | RecordedCheckpoint;

export function writeLeasedCheckpoint(writer: WireWriter, no: number, message: LeasedCheckpoint): void {
  const mark = writer.begin(no);
  writer.text(1, message.jobId);
  writer.number(2, message.leaseToken);
  if (message.checkpoint !== undefined) writeCheckpoint(writer, message.checkpoint);
  writer.unknown(message.$unknown);
  writer.end(mark);
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
  writer.unknown(checkpoint.$unknown);
  writer.end(mark);
}

/** Reads one with the length before it into `message`, which is empty. */
export function readLeasedCheckpoint<T extends LeasedCheckpoint>(reader: WireReader, message: T): T {
  const outer = reader.enter();
  while (!reader.isAtEnd) readLeasedField(reader, message);
  reader.leave(outer);
  return message;
}

function readLeasedField(reader: WireReader, message: LeasedCheckpoint): void {
  switch (reader.tag()) {
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
  };
  while (!reader.isAtEnd) readCheckpointField(reader, checkpoint);
  reader.leave(outer);
  return checkpoint;
}

function readCheckpointField(reader: WireReader, checkpoint: Checkpoint): void {
  switch (reader.tag()) {
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
      reader.giveUp();
  }
}
