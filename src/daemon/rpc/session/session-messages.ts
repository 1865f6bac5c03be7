import { create } from "@bufbuild/protobuf";
import { MAX_UINT32, NO_BYTES } from "#proto/contract.ts";
import { JobState as JobStateMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import {
  type Assignment,
  type FinishedJob,
  FinishedJobSchema,
  type HeldLease,
  HeldLeaseSchema,
  type Hello,
  type OpenWait,
  type Outcome,
  type Revocation,
  RevocationSchema,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { invalidArgument } from "../../core/errors.ts";
import { checkFunctionName } from "../../core/job-options.ts";
import type { Lease } from "../../core/job.ts";
import type { Delivery, RevocationReason, WaitLeft } from "../../engine/dispatch/worker-port.ts";
import type { JobEnd } from "../../engine/jobs/await-jobs.ts";
import type { AttemptReport } from "../../engine/jobs/settle-attempts.ts";
import type { ConnectingWorker } from "../../engine/workers/connect-worker.ts";
import { kindToProto, toFailureMarks, toLength, toParkReport } from "../messages/checkpoint-messages.ts";
import { fromJobError, jobStateToProto, toReportedError } from "../messages/job-messages.ts";
import { fromMs } from "../messages/timestamps.ts";

/** Converts session frames to and from values of the engine. */

/** Upper limit for held leases: more are a client error, and each would be looked up separately. */
const MAX_CONCURRENCY = 100_000;

export function toConnectingWorker(hello: Hello): ConnectingWorker {
  checkWorker(hello);
  return {
    workerId: hello.workerId,
    host: hello.host,
    hostId: hello.hostId,
    pid: hello.pid,
    processStart: hello.processStart,
    functionNames: hello.functionNames,
    concurrency: hello.concurrency,
    ordered: hello.ordered,
    client: hello.client,
    heldLeases: hello.heldLeases,
  };
}

export function checkFunctionNames(names: readonly string[], field: string): void {
  const violations = names.flatMap((name, index) => checkFunctionName(name, `${field}[${index}]`));
  if (violations.length > 0) throw invalidArgument(violations);
}

function checkWorker(hello: Hello): void {
  checkFunctionNames(hello.functionNames, "hello.function_names");
  if (hello.workerId === "" || hello.workerId.length > 256) {
    throw invalidArgument([
      {
        field: "hello.worker_id",
        description: "must have 1 to 256 characters; a random UUID for each process is best",
      },
    ]);
  }
  if (hello.concurrency > MAX_CONCURRENCY) {
    throw invalidArgument([
      { field: "hello.concurrency", description: `is ${hello.concurrency}; at most ${MAX_CONCURRENCY} are allowed` },
    ]);
  }
}

export function toAttemptReport(outcome: Outcome, path: string): AttemptReport {
  return {
    jobId: outcome.jobId,
    leaseToken: outcome.leaseToken,
    runMs: outcome.durationUs / 1000,
    event: toEvent(outcome, path),
  };
}

function toEvent(outcome: Outcome, path: string): AttemptReport["event"] {
  const { outcome: value } = outcome;
  switch (value.case) {
    case "success":
      return { kind: "succeed", result: value.value };
    case "failure": {
      const { error, terminal, retryAfterMs } = value.value;
      const delay = retryAfterMs === undefined ? null : toLength(retryAfterMs);
      const marks = toFailureMarks(value.value);
      return { kind: "fail", error: toReportedError(error), terminal, retryAfterMs: delay, marks };
    }
    case "release": {
      const { started, mismatch } = value.value;
      return mismatch === "" ? { kind: "release", started } : { kind: "release", started: true, mismatch };
    }
    case "park":
      return toParkReport(value.value, `${path}.park`);
    case undefined:
      throw invalidArgument([
        { field: `${path}.outcome`, description: "is missing; set one of success, failure, release and park" },
      ]);
  }
}

export function toAssignment({ job, resumed, checkpointCount, unordered, openWaits, now }: Delivery): Assignment {
  return {
    $typeName: "reseolio.v1.Assignment",
    jobId: job.jobId,
    leaseToken: job.leaseToken,
    functionName: job.functionName,
    args: job.args,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    timeoutMs: job.timeoutMs,
    headers: job.headers,
    checkpointCount,
    resumed,
    ranMs: job.ranMs ?? 0,
    failures: job.failures,
    unordered,
    undoOf: job.undoOf ?? "",
    openWaits: openWaits.map(toOpenWait),
    // Only replayed jobs compare this time with their checkpoints; most jobs are not replayed.
    ...(checkpointCount > 0 && { now: fromMs(now) }),
  };
}

function toOpenWait({ name, op, kind, leftMs }: WaitLeft): OpenWait {
  const wait: OpenWait = { $typeName: "reseolio.v1.OpenWait", name, op, kind: kindToProto(kind) };
  if (leftMs !== null && leftMs <= MAX_UINT32) wait.leftMs = leftMs;
  return wait;
}

export function toRevocation(lease: Lease, reason: RevocationReason): Revocation {
  return create(RevocationSchema, { jobId: lease.jobId, leaseToken: lease.leaseToken, reason });
}

export function toHeldLease(lease: Lease): HeldLease {
  return create(HeldLeaseSchema, { jobId: lease.jobId, leaseToken: lease.leaseToken });
}

export function toFinishedJob(end: JobEnd): FinishedJob {
  const finished: FinishedJob = {
    $typeName: "reseolio.v1.FinishedJob",
    jobId: end.jobId,
    state: jobStateToProto(end.state),
    result: end.result ?? NO_BYTES,
  };
  // A job that succeeded may still have the error of an earlier attempt, which is not part of its result.
  if (end.error !== null && end.state !== "SUCCESS") finished.error = fromJobError(end.error);
  return finished;
}

export function missingJob(jobId: string): FinishedJob {
  return create(FinishedJobSchema, { jobId, state: JobStateMessage.UNSPECIFIED });
}
