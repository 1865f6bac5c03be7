/** Reads the daemon's answer to a frame of the client, by hand: most are an empty result for each job that was stored. */
import { fromBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "./gen/google/rpc/status_pb.ts";
import type { EnqueuedJob } from "./gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "./gen/reseolio/v1/job_service_pb.ts";
import type { RecordResult, Reply } from "./gen/reseolio/v1/session_service_pb.ts";
import type { WireReader } from "./wire-reader.ts";
import { DELIMITED, tag, VARINT } from "./wire-writer.ts";

/** Reads a Reply with the length before it. The usual results of `enqueued` are one frozen object. */
export function readReply(reader: WireReader): Reply {
  const outer = reader.enter();
  const reply: Reply = { $typeName: "reseolio.v1.Reply", frameId: 0, enqueued: [], settled: [], recorded: [] };
  while (!reader.isAtEnd) {
    switch (reader.tag()) {
      case tag(1, VARINT):
        reply.frameId = reader.number();
        break;
      case tag(2, DELIMITED):
        reply.enqueued.push(readEnqueueResult(reader));
        break;
      case tag(3, DELIMITED):
        readPacked(reader, reply.settled);
        break;
      case tag(4, DELIMITED):
        reply.recorded.push(readRecordResult(reader));
        break;
      default:
        reader.giveUp();
    }
  }
  reader.leave(outer);
  return reply;
}

function readPacked(reader: WireReader, values: number[]): void {
  const outer = reader.enter();
  while (!reader.isAtEnd) values.push(reader.enum());
  reader.leave(outer);
}

function readRecordResult(reader: WireReader): RecordResult {
  const outer = reader.enter();
  const result: RecordResult = { $typeName: "reseolio.v1.RecordResult", result: 0, message: "" };
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (field === tag(1, VARINT)) result.result = reader.enum();
    else if (field === tag(2, DELIMITED)) result.message = reader.text();
    else reader.giveUp();
  }
  reader.leave(outer);
  return result;
}

const STORED_JOB: EnqueuedJob = Object.freeze({
  $typeName: "reseolio.v1.EnqueuedJob",
  jobId: "",
  deduplicated: false,
  argsDiffer: false,
  state: 0,
});

/** The usual answer to an enqueue: stored, under the id that was asked for. */
const STORED: EnqueueResult = Object.freeze({
  $typeName: "reseolio.v1.EnqueueResult",
  result: Object.freeze({ case: "job", value: STORED_JOB }),
});

function readEnqueueResult(reader: WireReader): EnqueueResult {
  const outer = reader.enter();
  let result: EnqueueResult["result"] = { case: undefined };
  while (!reader.isAtEnd) {
    const field = reader.tag();
    if (result.case !== undefined) reader.giveUp();
    else if (field === tag(1, DELIMITED)) result = { case: "job", value: readEnqueuedJob(reader) };
    else if (field === tag(2, DELIMITED)) result = { case: "error", value: fromBinary(StatusSchema, reader.bytes()) };
    else reader.giveUp();
  }
  reader.leave(outer);
  return result.value === STORED_JOB ? STORED : { $typeName: "reseolio.v1.EnqueueResult", result };
}

function readEnqueuedJob(reader: WireReader): EnqueuedJob {
  const outer = reader.enter();
  const job = reader.isAtEnd ? STORED_JOB : { ...STORED_JOB };
  while (!reader.isAtEnd) {
    switch (reader.tag()) {
      case tag(1, DELIMITED):
        job.jobId = reader.text();
        break;
      case tag(2, VARINT):
        job.deduplicated = reader.flag();
        break;
      case tag(3, VARINT):
        job.argsDiffer = reader.flag();
        break;
      case tag(4, VARINT):
        job.state = reader.enum();
        break;
      default:
        reader.giveUp();
    }
  }
  reader.leave(outer);
  return job;
}
