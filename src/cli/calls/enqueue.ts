/** Enqueues jobs so that a retried call stores nothing twice (P2). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { setTimeout as sleep } from "node:timers/promises";
import type { NewJobSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import type { JobOptionsInit } from "../flags/job-options.ts";
import { cliErrorFrom, isUnavailable } from "./rpc-errors.ts";

export type NewJobInit = Exclude<MessageInitShape<typeof NewJobSchema>, { $typeName: string }> & {
  readonly jobId: string;
  readonly args: Uint8Array;
};

/** A job whose ID is chosen here, which makes it safe to send it again. */
export function newJob(functionName: string, args: Uint8Array, options: JobOptionsInit): NewJobInit {
  return { jobId: Bun.randomUUIDv7(), functionName, args, options };
}

// Long enough for a daemon that is starting, short enough that an error still appears promptly.
const RETRY_DELAYS_MS = [100, 300];

/**
 * Sends a batch; if the daemon is unreachable or its response is lost, sends it again with the same IDs. Each item
 * succeeds or fails on its own; results are in the order of the batch.
 *
 * @throws CliError if the whole batch was refused or the daemon is unreachable
 */
export async function enqueueBatch(client: Client, jobs: readonly NewJobInit[]): Promise<readonly EnqueueResult[]> {
  return (await withRetries(() => client.jobs.enqueueJobs({ jobs: [...jobs] }))).results;
}

/** Makes an idempotent call, and retries it if the daemon is unreachable or its response is lost. */
export async function withRetries<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const delayMs = RETRY_DELAYS_MS[attempt];
      if (delayMs === undefined || !isUnavailable(error)) throw cliErrorFrom(error);
      await sleep(delayMs);
    }
  }
}
