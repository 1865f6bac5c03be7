import { checkName } from "../../core/checkpoint.ts";
import { DaemonError, type FieldViolation, invalidArgument, jobNotFound } from "../../core/errors.ts";
import { SIGNAL_LIMITS } from "../../core/signal.ts";
import { isUuid, isUuidV7 } from "../../core/uuid.ts";
import type { NewSignal, SignalOutcome } from "../../storage/seam/workflows.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import type { WriteKind } from "../lane/write-kind.ts";
import { checkPayload } from "./check-payload.ts";
import { wakeJobs } from "./wake-jobs.ts";

export const signalKind: WriteKind<NewSignal, SignalOutcome> = {
  name: "signal",
  readsTimeLate: false,
  apply: sendSignals,
};

/** A signal as it arrived. */
export interface SignalRequest {
  readonly jobId: string;
  readonly name: string;
  readonly payload: Uint8Array;
  /** Also the request ID: a repeated call sends nothing new. Empty: the daemon chooses one. */
  readonly signalId: string;
}

export interface SentSignal {
  readonly signalId: string;
  /** Whether a wait of the job took it at once. */
  readonly taken: boolean;
}

/**
 * Delivers a signal to the job's first wait for it, or keeps it for the next one. Resolves when the commit is on disk.
 * Throws not_found, failed_precondition for a job that has ended, and resource_exhausted.
 */
export async function sendSignal(engine: Engine, request: SignalRequest): Promise<SentSignal> {
  const { jobId, name, payload } = request;
  const signalId = request.signalId === "" ? engine.newJobId() : request.signalId;
  const violations = [...checkIds({ jobId, signalId }), ...checkName(name, "name")];
  if (violations.length > 0) throw invalidArgument(violations);
  checkPayload(payload);
  const signal = { signalId, jobId, name, payload: payload.byteLength === 0 ? NULL : payload };
  const [outcome] = await engine.lane.write(signalKind, [signal]);
  return { signalId, taken: takenOf(signal, outcome as SignalOutcome) };
}

const NULL = new TextEncoder().encode("null");

/** Runs after the settlements of the same commit, since waits of parked jobs may take the signals. */
async function sendSignals(lane: LaneTransaction, signals: readonly NewSignal[]): Promise<readonly SignalOutcome[]> {
  const { outcomes, woken } = await lane.tx.workflows.sendSignals(signals);
  await wakeJobs(lane, woken);
  return outcomes;
}

function checkIds({ jobId, signalId }: Pick<NewSignal, "jobId" | "signalId">): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (!isUuid(jobId)) {
    violations.push({
      field: "job_id",
      description: `${JSON.stringify(jobId)} is not a job id; ids look like 019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a`,
    });
  }
  if (!isUuidV7(signalId)) {
    violations.push({
      field: "signal_id",
      description: `${JSON.stringify(signalId)} is not a lower-case version 7 UUID; leave it empty to have one generated`,
    });
  }
  return violations;
}

function takenOf({ signalId, jobId }: NewSignal, outcome: SignalOutcome): boolean {
  switch (outcome.kind) {
    case "sent":
      return outcome.taken;
    case "unknown_job":
      throw jobNotFound(jobId);
    case "ended":
      throw new DaemonError("failed_precondition", `job ${jobId} is ${outcome.state}: it accepts no more signals`, {
        metadata: { jobId, state: outcome.state },
      });
    case "full":
      throw new DaemonError(
        "resource_exhausted",
        `${SIGNAL_LIMITS.waitingPerJob} signals are waiting for job ${jobId}, which is the limit: its handler must take some first`,
        { metadata: { jobId, limit: String(SIGNAL_LIMITS.waitingPerJob) } },
      );
    case "id_taken":
      throw new DaemonError(
        "already_exists",
        `the signal id ${signalId} belongs to a signal to job ${outcome.jobId}; choose a new one for each signal`,
        { metadata: { signalId, jobId: outcome.jobId } },
      );
  }
}
