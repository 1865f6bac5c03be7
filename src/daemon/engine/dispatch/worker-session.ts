import { NO_BYTES } from "#proto/contract.ts";
import type { Clock } from "../../core/clock.ts";
import type { Job, Lease } from "../../core/job.ts";
import type { WorkerPort } from "./worker-port.ts";

/** A lease held through this daemon. */
export interface HeldLease extends Lease {
  /** The job as it was claimed, without args, which only the worker needs. */
  readonly job: Job;
  readonly argsBytes: number;
  /** Start on the store's clock, as the daemon counts slots; null while it waits for a free slot. */
  startedAt: number | null;
  /** On the monotonic clock; Infinity without a timeout or before the start. */
  deadline: number;
  /** On the monotonic clock: when the attempt would have started if it had never been parked. */
  ranSince: number;
  /** Known number of the job's checkpoints and waits. */
  checkpointCount: number;
  /** Awaited jobs among them. */
  awaitedCount: number;
  checkpointBytes: number;
  /** Its checkpoints are being read; the worker has not received it yet. */
  isInTransit: boolean;
  /** On the monotonic clock: when this session received the lease. */
  readonly heldSince: number;
  /** The daemon revoked it; its slot stays occupied until the worker reports that the handler has ended. */
  isRevoked: boolean;
}

/**
 * State of one connected worker: its leases, in the order in which it starts them, and its free slots. A session lives
 * as long as its stream; a worker that reconnects gets a new one with the leases that it still holds.
 */
export class WorkerSession {
  readonly workerId: string;
  readonly functionNames: Set<string>;
  readonly concurrency: number;
  readonly port: WorkerPort;
  readonly gauge = new PrefetchGauge();
  /** The client replays records in the order in which they were recorded. */
  readonly isOrdered: boolean;
  /** The log has mentioned that this worker gets no jobs with ordered records. */
  isUnorderedReported = false;
  isDraining = false;
  /** On the monotonic clock: when its last frame arrived. */
  lastSeenAt: number;

  readonly #clock: Clock;
  readonly #onDeadline: (deadline: number) => void;
  readonly #leases = new Map<string, HeldLease>();
  /** Parked jobs whose handlers the worker keeps in memory, with the tokens under which they were parked. */
  readonly #parked = new Map<string, number>();
  /** Leases assigned beyond the free slots, in order; those that are gone are skipped. */
  readonly #waiting: HeldLease[] = [];
  #started = 0;
  #leasedBytes = 0;

  constructor(options: {
    readonly workerId: string;
    readonly functionNames: readonly string[];
    readonly concurrency: number;
    readonly isOrdered: boolean;
    readonly port: WorkerPort;
    readonly clock: Clock;
    /** Called with the deadline of each attempt that starts, on the monotonic clock. */
    readonly onDeadline: (deadline: number) => void;
  }) {
    this.workerId = options.workerId;
    this.functionNames = new Set(options.functionNames);
    this.concurrency = options.concurrency;
    this.isOrdered = options.isOrdered;
    this.port = options.port;
    this.#clock = options.clock;
    this.#onDeadline = options.onDeadline;
    this.lastSeenAt = options.clock.monotonic();
  }

  get leases(): Iterable<HeldLease> {
    return this.#leases.values();
  }

  get leaseCount(): number {
    return this.#leases.size;
  }

  /** Slots in use, as the daemon counts them. */
  get startedCount(): number {
    return this.#started;
  }

  get freeSlots(): number {
    return this.isDraining ? 0 : Math.max(0, this.concurrency - this.#leases.size);
  }

  /** Number of jobs to lease beyond its free slots, because it will have finished others before they arrive. */
  prefetchRoom(): number {
    if (this.isDraining) return 0;
    const ahead = this.#leases.size - this.concurrency;
    return Math.max(0, this.gauge.prefetch(this.#leasedBytes) - Math.max(0, ahead));
  }

  /** Adds jobs that were claimed for the worker, or that it still holds after a reconnect. */
  add(jobs: readonly Job[], startedAt: (job: Job) => number | null): void {
    for (const job of jobs) {
      const lease: HeldLease = {
        jobId: job.jobId,
        leaseToken: job.leaseToken,
        job: { ...job, args: NO_BYTES },
        argsBytes: job.args.byteLength,
        startedAt: null,
        deadline: Infinity,
        ranSince: 0,
        checkpointCount: 0,
        awaitedCount: 0,
        checkpointBytes: 0,
        isInTransit: false,
        heldSince: this.#clock.monotonic(),
        isRevoked: false,
      };
      this.#leases.set(job.jobId, lease);
      this.#parked.delete(job.jobId);
      this.#leasedBytes += lease.argsBytes;
      const earlier = startedAt(job);
      if (earlier !== null) this.#start(lease, earlier);
      else if (this.#started < this.concurrency) this.#start(lease, this.#clock.now());
      else this.#waiting.push(lease);
    }
  }

  /** The lease, if the worker holds it with this token. */
  find(lease: Lease): HeldLease | null {
    const held = this.#leases.get(lease.jobId);
    return held !== undefined && held.leaseToken === lease.leaseToken ? held : null;
  }

  /** Whether the job runs, or waits to run, under a lease of this worker that is not revoked. */
  holds(jobId: string): boolean {
    return this.#leases.get(jobId)?.isRevoked === false;
  }

  /** The lease of that job; null when there is none, or it was revoked. */
  holding(jobId: string): HeldLease | null {
    const held = this.#leases.get(jobId);
    return held === undefined || held.isRevoked ? null : held;
  }

  /**
   * Remembers a handler that waits in memory without a lease: the worker must learn what other daemons do to its job.
   */
  addParked({ jobId, leaseToken }: Lease): void {
    this.#parked.set(jobId, leaseToken);
  }

  get parkedJobIds(): Iterable<string> {
    return this.#parked.keys();
  }

  parkedToken(jobId: string): number | undefined {
    return this.#parked.get(jobId);
  }

  removeParked(jobId: string): void {
    this.#parked.delete(jobId);
  }

  /** Whether it runs functions, and so has a record and a lease in the store. */
  get isWorker(): boolean {
    return this.functionNames.size > 0 && this.concurrency > 0;
  }

  /** Frees the slot of a handler that has ended or never started; the next waiting lease starts. */
  remove(lease: HeldLease): void {
    if (this.#leases.get(lease.jobId) !== lease) return;
    this.#leases.delete(lease.jobId);
    this.#leasedBytes -= lease.argsBytes;
    if (lease.startedAt === null) return;
    this.#started--;
    this.#startNext();
  }

  /** Puts back a lease whose outcome could not be stored. It takes no slot, since its handler has ended. */
  restore(lease: HeldLease): void {
    if (this.#leases.has(lease.jobId)) return;
    lease.startedAt = null;
    lease.deadline = Infinity;
    this.#leases.set(lease.jobId, lease);
    this.#leasedBytes += lease.argsBytes;
  }

  /** Leases that the worker has not received yet. */
  leasesInTransit(): readonly HeldLease[] {
    return [...this.#leases.values()].filter((lease) => lease.isInTransit);
  }

  /** Leases that are assigned but not started, as the daemon counts slots. */
  waitingLeases(): readonly HeldLease[] {
    return this.#waiting.filter((lease) => this.#isWaiting(lease));
  }

  #startNext(): void {
    let next = this.#waiting.shift();
    while (next !== undefined && !this.#isWaiting(next)) next = this.#waiting.shift();
    if (next !== undefined) this.#start(next, this.#clock.now());
  }

  #isWaiting(lease: HeldLease): boolean {
    return this.#leases.get(lease.jobId) === lease && !lease.isRevoked;
  }

  #start(lease: HeldLease, startedAt: number): void {
    this.#started++;
    lease.startedAt = startedAt;
    const now = this.#clock.monotonic();
    // The wall clock may have jumped since an earlier start: never allow more than one full timeout.
    const ranMs = (lease.job.ranMs ?? 0) + Math.max(0, this.#clock.now() - startedAt);
    lease.ranSince = now - ranMs;
    if (lease.job.timeoutMs > 0) this.setDeadline(lease, Math.max(0, lease.job.timeoutMs - ranMs), now);
  }

  /** Ends the attempt `leftMs` after `now` on the monotonic clock, unless it has no time limit or has not started. */
  setDeadline(lease: HeldLease, leftMs: number, now: number): void {
    if (lease.job.timeoutMs === 0 || lease.startedAt === null) return;
    lease.deadline = now + leftMs + DELIVERY_MS;
    this.#onDeadline(lease.deadline);
  }
}

/** Allowance for the delivery of an assignment, so that no handler is cut off before its full time. */
export const DELIVERY_MS = 100;

/**
 * Estimates how many jobs to lease a worker beyond its slots: as many as it finishes while new ones are in transit. A
 * worker of slow jobs gets none, so that no job waits behind another while a second worker is idle.
 */
class PrefetchGauge {
  #perMs = 0;
  #meanRunMs = Number.POSITIVE_INFINITY;
  #meanBytes = 0;
  #windowStart = 0;
  #windowCount = 0;

  /** Records outcomes that arrived together at a monotonic time, with the mean run time and size of their jobs. */
  record(count: number, meanRunMs: number, meanBytes: number, at: number): void {
    this.#meanRunMs = Number.isFinite(this.#meanRunMs) ? mix(this.#meanRunMs, meanRunMs) : meanRunMs;
    this.#meanBytes = mix(this.#meanBytes, meanBytes);
    this.#windowCount += count;
    const elapsed = at - this.#windowStart;
    if (elapsed < WINDOW_MS) return;
    this.#perMs = mix(this.#perMs, this.#windowCount / elapsed);
    this.#windowStart = at;
    this.#windowCount = 0;
  }

  /** Drops the estimate: nothing is prefetched until the next outcomes. */
  reset(): void {
    this.#perMs = 0;
    this.#meanRunMs = Number.POSITIVE_INFINITY;
  }

  /** Number of jobs to lease beyond the free slots, given the bytes of args that the worker already holds. */
  prefetch(leasedBytes: number): number {
    if (this.#meanRunMs > SLOW_RUN_MS) return 0;
    const byRate = Math.floor(this.#perMs * HORIZON_MS);
    const byBytes = Math.floor((MAX_BYTES - leasedBytes) / Math.max(1, this.#meanBytes));
    return Math.max(0, Math.min(byRate, byBytes, MAX_PREFETCH));
  }
}

const WINDOW_MS = 5;
/** Duration of two round trips with a commit each on a busy machine. */
const HORIZON_MS = 20;
const SLOW_RUN_MS = 50;
const MAX_PREFETCH = 1024;
const MAX_BYTES = 4 * 1024 * 1024;

function mix(old: number, fresh: number): number {
  return old + (fresh - old) / 2;
}
