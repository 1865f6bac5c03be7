import { MAX_UINT32 } from "#proto/contract.ts";
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Assignment, Heartbeat, Outcome, SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { ArrivedCheckpoint } from "../session/arriving-checkpoints.ts";
import type { OutcomeReport } from "../session/frame-items.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";

/** Where a job stands in this worker. */
export type LeaseStage =
  /** Waits for a free slot. */
  | "waiting"
  | "running"
  /** Its handler has ended or parked, or it is handed back; the daemon has not confirmed the outcome yet. */
  | "ended"
  /** Nothing more will be said about it. */
  | "gone";

/** One job leased to this worker, from its assignment to the daemon's answer to its outcome. */
export class LeasedJob implements OutcomeReport {
  stage: LeaseStage = "waiting";
  context: HandlerContext | undefined;
  /** Monotonic. */
  startedAt = 0;
  /** The daemon took the lease back: nothing that happens here changes the record. */
  isRevoked = false;
  /** Monotonic time at which the signal fired. */
  abortedAt: number | undefined;
  hasWarned = false;
  /** Monotonic time until which the handler asked to run; undefined when it did not. */
  extendedUntil: number | undefined;
  /** Times that the daemon asked to be told again later. */
  retries = 0;
  /** The daemon refused its result once already. */
  isRefused = false;
  /** The daemon knows nothing of the lease: no outcome is expected. */
  isForgotten = false;

  #outcome: Outcome | undefined;

  /** In earlier executions of the job, or since the handler was parked. */
  readonly recorded: readonly Checkpoint[];
  /** Records of the job whose steps are undone. */
  readonly undone: readonly Checkpoint[];

  constructor(
    readonly assignment: Assignment,
    arrived: readonly ArrivedCheckpoint[],
    private readonly onAnswer: (job: LeasedJob, result: SettleResult) => void,
  ) {
    this.recorded = arrived.length === 0 ? NOTHING : checkpointsOf(arrived, false);
    this.undone = arrived.length === 0 ? NOTHING : checkpointsOf(arrived, true);
  }

  get outcome(): Outcome {
    if (this.#outcome === undefined) throw new Error(`job ${this.assignment.jobId} has no outcome yet`);
    return this.#outcome;
  }

  /** Gives the attempt this long from now; what the daemon is to be told. */
  extend(ms: number): Heartbeat {
    const extendMs = Math.min(Math.ceil(ms), MAX_UINT32);
    this.extendedUntil = performance.now() + extendMs;
    const { jobId, leaseToken } = this.assignment;
    return { $typeName: "reseolio.v1.Heartbeat", jobId, leaseToken, extendMs };
  }

  /** Until a second before the end of its time, which the daemon enforces; a minute without a limit. */
  timeLeftMs(now: number): number {
    const { timeoutMs, ranMs } = this.assignment;
    const endAt = this.extendedUntil ?? (timeoutMs > 0 ? this.startedAt + timeoutMs - ranMs : now + UNLIMITED_MS);
    const left = Math.max(0, endAt - now);
    return left - Math.min(MARGIN_MS, left / 10);
  }

  end(outcome: Outcome): void {
    this.stage = "ended";
    this.#outcome = outcome;
  }

  answer(result: SettleResult): void {
    this.onAnswer(this, result);
  }

  isLease(lease: { readonly jobId: string; readonly leaseToken: number }): boolean {
    return this.assignment.jobId === lease.jobId && this.assignment.leaseToken === lease.leaseToken;
  }
}

const NOTHING: readonly Checkpoint[] = [];

function checkpointsOf(arrived: readonly ArrivedCheckpoint[], ofUndone: boolean): readonly Checkpoint[] {
  return arrived.filter((one) => one.ofUndone === ofUndone).map(({ checkpoint }) => checkpoint);
}

/** Before the end of the attempt's time. */
const MARGIN_MS = 1_000;
const UNLIMITED_MS = 60_000;
