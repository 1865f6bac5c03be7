import { WIRE_LIMITS } from "#proto/contract.ts";
import { checkName, type Checkpoint, CHECKPOINT_LIMITS, isPlace } from "../../core/checkpoint.ts";
import { cutError } from "../../core/cut-error.ts";
import type { Lease } from "../../core/job.ts";
import type { NewCheckpoint, RecordOutcome } from "../../storage/seam/workflows.ts";
import type { SettleResult } from "../dispatch/settle-result.ts";
import type { HeldLease, WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import type { WriteKind } from "../lane/write-kind.ts";

export const recordKind: WriteKind<NewCheckpoint, RecordOutcome> = {
  name: "record",
  readsTimeLate: true,
  apply: ({ tx }, checkpoints) => tx.workflows.record(checkpoints),
};

/** A worker's report of a checkpoint. */
export interface CheckpointReport
  extends Lease, Pick<Checkpoint, "name" | "kind" | "value" | "error">, Partial<Pick<Checkpoint, "order">> {
  /** For the kind job: the job whose end is recorded. */
  readonly awaitedJobId?: string | null;
}

export interface RecordResult {
  readonly result: SettleResult;
  /** The reason, when the result is "invalid". */
  readonly message: string;
}

/**
 * Records checkpoints under their leases, in one commit, and calls `onRecorded` with one result per report when that commit
 * is on disk. A report that is repeated after a lost answer is accepted again and changes nothing.
 */
export function recordCheckpoints(
  engine: Engine,
  session: WorkerSession,
  reports: readonly CheckpointReport[],
  onRecorded: (results: readonly RecordResult[]) => void,
): void {
  const steps = reports.map((report) => prepare(session, report));
  const items = steps.flatMap((step) => ("result" in step ? [] : [step]));
  if (items.length === 0) {
    onRecorded(steps as readonly RecordResult[]);
    return;
  }
  engine.lane.submit(recordKind, items, {
    done: (outcomes) => {
      let written = 0;
      onRecorded(steps.map((step) => ("result" in step ? step : settle(session, step, outcomes[written++]))));
    },
    failed: () => onRecorded(steps.map((step) => ("result" in step ? step : RETRY))),
  });
}

/** Returns what to write, or an answer that needs no write. Counts at once, so that one frame cannot exceed the limits. */
function prepare(session: WorkerSession, report: CheckpointReport): NewCheckpoint | RecordResult {
  const held = session.find(report);
  return faultOf(held, report) ?? toStore(held, report);
}

function settle(session: WorkerSession, item: NewCheckpoint, outcome: RecordOutcome = GONE): RecordResult {
  const held = session.find(item);
  const isNew = outcome.kind === "recorded" && outcome.isNew;
  // A checkpoint that was refused, or existed before, does not count.
  if (held !== null && isNew !== countsAtOnce(item)) count(held, item, isNew ? 1 : -1);
  return toResult(item, outcome);
}

/** A record that may only add a position to an existing one counts towards the limits only if it is new. */
function countsAtOnce({ value, error, order }: Pick<NewCheckpoint, "value" | "error" | "order">): boolean {
  return value !== null || error !== null || order === null || order.seq === 0;
}

function count(held: HeldLease, { kind, value }: Pick<NewCheckpoint, "kind" | "value">, by: 1 | -1): void {
  held.checkpointCount += by;
  if (kind === "job") held.awaitedCount += by;
  held.checkpointBytes += by * (value?.byteLength ?? 0);
}

function faultOf(held: HeldLease | null, report: CheckpointReport): RecordResult | null {
  if (held?.isRevoked === true) return STALE;
  const [violation] = checkName(report.name, "name");
  if (violation !== undefined) return invalid(`the checkpoint's name ${violation.description}`);
  const bytes = report.value?.byteLength ?? 0;
  const name = JSON.stringify(report.name);
  if (bytes > WIRE_LIMITS.payloadBytes) {
    return invalid(
      `the value of ${name} is ${bytes} bytes long; at most ${WIRE_LIMITS.payloadBytes} are allowed: store it elsewhere, return its id`,
    );
  }
  if (report.order != null && !isPlace(report.order)) {
    return invalid(`the position of ${name} exceeds ${CHECKPOINT_LIMITS.lastPlace}, which no job can reach`);
  }
  if (held === null) return null;
  if (report.kind === "job") {
    if (held.awaitedCount >= CHECKPOINT_LIMITS.awaitedPerJob) {
      return invalid(
        `${name} exceeds the limit of ${CHECKPOINT_LIMITS.awaitedPerJob} awaited jobs per job; let child jobs await some of them`,
      );
    }
  } else if (held.checkpointCount - held.awaitedCount >= CHECKPOINT_LIMITS.perJob) {
    return invalid(
      `${name} exceeds the limit of ${CHECKPOINT_LIMITS.perJob} checkpoints per job; move some of the work to child jobs`,
    );
  }
  if (held.checkpointBytes + bytes > CHECKPOINT_LIMITS.bytesPerJob) {
    return invalid(
      `with ${name} the checkpoints of the job exceed ${CHECKPOINT_LIMITS.bytesPerJob} bytes; keep large values elsewhere`,
    );
  }
  return null;
}

function toStore(held: HeldLease | null, report: CheckpointReport): NewCheckpoint {
  const { jobId, leaseToken, name, kind, value } = report;
  const { order = null, awaitedJobId = null } = report;
  const error = report.error === null ? null : cutError(report.error);
  const place = held?.checkpointCount ?? 0;
  const failures = held?.job.failures ?? 0;
  const item = { jobId, leaseToken, name, kind, value, error, failures, place, order, awaitedJobId };
  if (held !== null && countsAtOnce(item)) count(held, item, 1);
  return item;
}

function toResult(item: NewCheckpoint, outcome: RecordOutcome): RecordResult {
  switch (outcome.kind) {
    case "recorded":
    case "repeated":
      return ACCEPTED;
    case "stale":
      return STALE;
    case "conflict":
      return invalid(
        `${JSON.stringify(item.name)} cannot be recorded as ${item.kind}, because an earlier execution of the job recorded it as ` +
          `${outcome.known}: the code changed while the job was running; give the new ${item.kind} another name`,
      );
  }
}

function invalid(message: string): RecordResult {
  return { result: "invalid", message };
}

const ACCEPTED: RecordResult = { result: "accepted", message: "" };
const STALE: RecordResult = { result: "stale", message: "" };
const RETRY: RecordResult = { result: "retry", message: "" };
const GONE: RecordOutcome = { kind: "stale" };
