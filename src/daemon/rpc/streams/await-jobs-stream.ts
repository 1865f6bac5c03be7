import { WIRE_LIMITS } from "#proto/contract.ts";
import type { Job as JobMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import { DaemonError, invalidArgument, jobNotFound } from "../../core/errors.ts";
import { isTerminal } from "../../core/job.ts";
import type { Engine } from "../../engine/engine.ts";
import { awaitEnds } from "../../engine/jobs/await-jobs.ts";
import { checkJobId, readJob } from "../../engine/jobs/read-jobs.ts";
import { fromJobWithTick } from "../messages/job-with-tick.ts";
import { StreamBuffer, type StreamSignals } from "./stream-buffer.ts";

/**
 * Sends one message per job as it reaches a terminal state, then ends. Only IDs are kept in memory; a job is read when the
 * client is ready to receive it. An unknown ID ends the stream with NOT_FOUND after the results known so far. A stopping
 * daemon ends it with UNAVAILABLE; the client can repeat the call and loses nothing.
 */
export async function* awaitJobsStream(
  engine: Engine,
  jobIds: readonly string[],
  signals: StreamSignals,
): AsyncGenerator<{ job: JobMessage }> {
  const left = checkJobIds(jobIds);
  const ended = new StreamBuffer<string>(left.size, tooMany);
  const wait = (ids: readonly string[]): { stop(): void } =>
    awaitEnds(engine, ids, {
      onEnded: ({ jobId }) => ended.push(jobId),
      onMissing: (jobId) => ended.fail(jobNotFound(jobId)),
      onFault: (error) => ended.fail(error),
    });
  const waits = [wait([...left])];
  const release = ended.failOn(signals);
  try {
    while (left.size > 0) {
      for (const jobId of await ended.take(1)) {
        const job = await readJob(engine, jobId);
        // The job was retried between its end and this read.
        if (!isTerminal(job.state)) waits.push(wait([jobId]));
        else if (left.delete(jobId)) yield { job: await fromJobWithTick(engine, job) };
      }
    }
  } finally {
    release();
    for (const one of waits) one.stop();
  }
}

function checkJobIds(jobIds: readonly string[]): Set<string> {
  if (jobIds.length === 0) throw invalidArgument([{ field: "job_ids", description: "is empty; set at least one ID" }]);
  if (jobIds.length > WIRE_LIMITS.batchItems) {
    const description = `has ${jobIds.length} IDs; await at most ${WIRE_LIMITS.batchItems} in one call`;
    throw invalidArgument([{ field: "job_ids", description }]);
  }
  for (const [index, jobId] of jobIds.entries()) checkJobId(jobId, `job_ids[${index}]`);
  return new Set(jobIds);
}

function tooMany(): DaemonError {
  return new DaemonError("internal", "a job ended more than once while it was awaited");
}
