/** Storing jobs from the command line so that a repeated call stores nothing twice (P2). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { setTimeout as sleep } from "node:timers/promises";
import { WIRE_LIMITS } from "#proto/contract.ts";
import type { NewJobSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { usageError } from "../exit.ts";
import type { JobOptionsInit } from "../flags/job-options.ts";
import { cliErrorFrom, isUnavailable } from "./rpc-errors.ts";

export type NewJobInit = Exclude<MessageInitShape<typeof NewJobSchema>, { $typeName: string }> & {
  readonly jobId: string;
  readonly args: Uint8Array;
};

/** A job with an id of its own, which is what makes it safe to send it again. */
export function newJob(functionName: string, args: Uint8Array, options: JobOptionsInit): NewJobInit {
  return { jobId: Bun.randomUUIDv7(), functionName, args, options };
}

/** @throws CliError `usage` when the daemon would refuse the name or the size */
export function checkNewJob(functionName: string, args: Uint8Array, where: string): void {
  if (functionName.trim() === "")
    throw usageError(`${where}the function's name is empty`, `give a name such as "orders:payment:charge"`);
  if (args.length > WIRE_LIMITS.payloadBytes) {
    throw usageError(
      `${where}the arguments have ${args.length} bytes; at most ${WIRE_LIMITS.payloadBytes} are allowed`,
      "keep large values elsewhere and pass where they are",
    );
  }
}

// A daemon that is just starting is there by then; with none the error is still there at once for a person.
const RETRY_DELAYS_MS = [100, 300];

/**
 * Sends a batch; when the daemon is away or its answer does not come, sends it again with the same ids. Items fail on
 * their own, in the order of the batch.
 *
 * @throws CliError when the batch as a whole was refused or the daemon is away
 */
export async function enqueueBatch(client: Client, jobs: readonly NewJobInit[]): Promise<readonly EnqueueResult[]> {
  return (await repeated(() => client.jobs.enqueueJobs({ jobs: [...jobs] }))).results;
}

/** A call that may be carried out twice, made again when the daemon is away or its answer does not come. */
export async function repeated<T>(call: () => Promise<T>): Promise<T> {
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
