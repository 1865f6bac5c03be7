import { MAX_UINT32 } from "#proto/contract.ts";
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type {
  Assignment,
  Heartbeat,
  HeldLease,
  Outcome,
  SettleResult,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { OutcomeReport } from "../session/frames.ts";
import type { ArrivedCheckpoint } from "../session/session-stream.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";

/** Stage of a leased job in this worker. */
export type LeaseStage =
  /** Waits for a free slot. */
  | "waiting"
  | "running"
  /** The handler has ended or parked, or the job was released; the daemon has not confirmed the outcome yet. */
  | "ended"
  /** Nothing more is reported about it. */
  | "gone";

/** One job leased to this worker, from its assignment to the daemon's answer to its outcome. */
export class LeasedJob implements OutcomeReport {
  stage: LeaseStage = "waiting";
  context: HandlerContext | undefined;
  /** Monotonic. */
  startedAt = 0;
  /** The daemon revoked the lease: nothing that happens here is recorded. */
  isRevoked = false;
  /** Monotonic time at which the signal fired. */
  abortedAt: number | undefined;
  hasWarned = false;
  /** Monotonic time until which the handler asked to run; undefined if it did not ask. */
  extendedUntil: number | undefined;
  /** Number of times that the daemon asked for the outcome to be sent again later. */
  retries = 0;
  /** The daemon has already rejected its result once. */
  isRefused = false;
  /** The daemon does not know the lease and expects no outcome. */
  isForgotten = false;

  #outcome: Outcome | undefined;

  /** Checkpoints of earlier executions of the job, or since the handler was parked. */
  readonly recorded: readonly Checkpoint[];
  /** Checkpoints of the job whose steps are undone. */
  readonly undone: readonly Checkpoint[];

  readonly #onAnswer: (job: LeasedJob, result: SettleResult) => void;

  constructor(
    readonly assignment: Assignment,
    arrived: readonly ArrivedCheckpoint[],
    /** When the assignment arrived, on the monotonic clock of handlers. */
    readonly arrivedAt: number,
    onAnswer: (job: LeasedJob, result: SettleResult) => void,
  ) {
    this.#onAnswer = onAnswer;
    this.recorded = arrived.length === 0 ? NOTHING : checkpointsOf(arrived, false);
    this.undone = arrived.length === 0 ? NOTHING : checkpointsOf(arrived, true);
  }

  get outcome(): Outcome {
    if (this.#outcome === undefined) throw new Error(`job ${this.assignment.jobId} has no outcome yet`);
    return this.#outcome;
  }

  /** Extends the attempt to this long from now; returns the message for the daemon. */
  extend(ms: number): Heartbeat {
    const extendMs = Math.min(Math.ceil(ms), MAX_UINT32);
    this.extendedUntil = performance.now() + extendMs;
    const { jobId, leaseToken } = this.assignment;
    return { $typeName: "reseolio.v1.Heartbeat", jobId, leaseToken, extendMs };
  }

  /** Time until a second before the limit that the daemon enforces; a minute if there is no limit. */
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
    this.#onAnswer(this, result);
  }

  isLease(lease: { readonly jobId: string; readonly leaseToken: number }): boolean {
    return this.assignment.jobId === lease.jobId && this.assignment.leaseToken === lease.leaseToken;
  }
}

const NOTHING: readonly Checkpoint[] = [];

function checkpointsOf(arrived: readonly ArrivedCheckpoint[], ofUndone: boolean): readonly Checkpoint[] {
  return arrived.filter((one) => one.ofUndone === ofUndone).map(({ checkpoint }) => checkpoint);
}

/** Margin before the attempt's time limit. */
const MARGIN_MS = 1_000;
const UNLIMITED_MS = 60_000;

/** Leases that this worker holds, as far as it knows, by job, in the order of assignment. */
export class HeldLeases {
  readonly #held = new Map<string, LeasedJob>();

  add(job: LeasedJob): void {
    this.#held.set(job.assignment.jobId, job);
  }

  get(jobId: string): LeasedJob | undefined {
    return this.#held.get(jobId);
  }

  find(wanted: { readonly jobId: string; readonly leaseToken: number }): LeasedJob | undefined {
    const job = this.#held.get(wanted.jobId);
    return job?.isLease(wanted) === true ? job : undefined;
  }

  remove(job: LeasedJob): void {
    if (this.#held.get(job.assignment.jobId) === job) this.#held.delete(job.assignment.jobId);
  }

  /**
   * The leases for a hello: started jobs first, in the order of their start. Those with unanswered outcomes are held
   * too.
   */
  forHello(now: number): HeldLease[] {
    const held = [...this.#held.values()].filter((job) => !job.isRevoked);
    const started = held.filter((job) => job.stage !== "waiting").sort((one, other) => one.startedAt - other.startedAt);
    const waiting = held.filter((job) => job.stage === "waiting");
    return [...started.map((job) => lease(job, now)), ...waiting.map((job) => lease(job, now))];
  }
}

function lease({ assignment: { jobId, leaseToken }, stage, extendedUntil }: LeasedJob, now: number): HeldLease {
  const started = stage !== "waiting";
  const held: HeldLease = { $typeName: "reseolio.v1.HeldLease", jobId, leaseToken, started };
  return extendedUntil === undefined ? held : { ...held, timeLeftMs: Math.max(0, Math.round(extendedUntil - now)) };
}
