import type { Transition } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { ClaimDemand, ClaimedJobs, NewJob, ResumeDemand } from "../../storage/seam/jobs.ts";
import { Listeners } from "./listeners.ts";
import { revocationReason, revoke } from "./revoke-lease.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface DispatcherOptions {
  /** Jobs running at once; 0 = no limit. */
  readonly maxConcurrent: number;
  /** Called with jobs that were claimed for a session and that it holds now. */
  readonly onAssigned: (session: WorkerSession, jobs: readonly Job[], resumed: boolean) => void;
  /** Called with jobs that were claimed for a worker that left before the commit. */
  readonly onUndeliverable: (jobs: readonly Job[]) => void;
}

/**
 * Decides which worker gets which jobs. It knows the connected workers and the functions that may have ready jobs,
 * plans the claims of each transaction, and assigns what was claimed.
 *
 * Its knowledge only saves queries: a wrong mark costs one query, and the poll re-marks every function.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #sessions = new Map<string, WorkerSession>();
  readonly #readyFunctions = new Set<string>();
  /** Workers whose parked jobs may have woken. */
  readonly #resumableWorkers = new Set<string>();
  #isPaused = false;
  /** Times at which something becomes due: milliseconds on the store's clock. */
  readonly due = new Listeners<number>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  get sessions(): Iterable<WorkerSession> {
    return this.#sessions.values();
  }

  findSession(workerId: string): WorkerSession | null {
    return this.#sessions.get(workerId) ?? null;
  }

  addSession(session: WorkerSession): void {
    this.#sessions.set(session.workerId, session);
    // Jobs of its functions may have waited for this worker.
    for (const name of session.functionNames) this.#readyFunctions.add(name);
    this.#resumableWorkers.add(session.workerId);
  }

  /** Does nothing if a newer session has replaced this one. */
  removeSession(session: WorkerSession): void {
    if (this.#sessions.get(session.workerId) === session) this.#sessions.delete(session.workerId);
  }

  markReady(functionName: string): void {
    this.#readyFunctions.add(functionName);
  }

  /** Marks every function that a connected worker serves, as the poll does to make up for lost hints. */
  markAllReady(): void {
    for (const session of this.#sessions.values()) {
      for (const name of session.functionNames) this.#readyFunctions.add(name);
      this.markResumable(session.workerId);
    }
  }

  /** Jobs that the worker parked may have woken. */
  markResumable(workerId: string): void {
    if (this.#sessions.get(workerId)?.isWorker === true) this.#resumableWorkers.add(workerId);
  }

  onStored(item: NewJob, isReady: boolean, now: number): void {
    const { options } = item;
    if (isReady) this.markReady(item.functionName);
    else this.due.notify(options.runAt ?? now + (options.delayMs ?? 0));
    const within = Math.min(options.startWithinMs ?? Infinity, options.finishWithinMs ?? Infinity);
    if (Number.isFinite(within)) this.due.notify(now + within);
  }

  onTransition(transition: Transition, now: number): void {
    if (transition.change.state !== "PENDING") return;
    const runAfterMs = transition.change.runAfterMs ?? 0;
    if (transition.change.keepWorker === true && transition.workerId !== null) this.markResumable(transition.workerId);
    if (runAfterMs > 0) this.due.notify(now + runAfterMs);
    else this.markReady(transition.functionName);
  }

  /** Stops claiming jobs, because the daemon shuts down. */
  pause(): void {
    this.#isPaused = true;
  }

  hasDemand(): boolean {
    return this.planResumes().length > 0 || this.planClaims([]).length > 0;
  }

  /** Plans resumes of parked handlers, which come before new jobs because they occupy memory in their workers. */
  planResumes(): readonly ResumeDemand[] {
    if (this.#isPaused || this.#resumableWorkers.size === 0) return [];
    let budget = this.#concurrencyLeft();
    const demands: ResumeDemand[] = [];
    for (const workerId of this.#resumableWorkers) {
      const session = this.#sessions.get(workerId);
      if (session === undefined) this.#resumableWorkers.delete(workerId);
      const limit = session === undefined ? 0 : Math.min(budget, session.freeSlots + session.prefetchRoom());
      if (limit > 0) demands.push({ workerId, limit });
      budget -= limit;
    }
    return demands;
  }

  /** A worker that got all its woken jobs is not queried again until another one wakes. */
  onResumed(demands: readonly ResumeDemand[], resumed: readonly ClaimedJobs[]): void {
    for (const [index, { workerId, limit }] of demands.entries()) {
      if ((resumed[index]?.jobs.length ?? 0) < limit) this.#resumableWorkers.delete(workerId);
    }
  }

  /**
   * Plans claims: first for the free slots of all workers, then for short jobs that may be prefetched. The least loaded
   * worker comes first. Workers without ordered replay come last, or they would claim and release the same jobs
   * forever.
   *
   * @param resumed jobs that this transaction has already leased
   */
  planClaims(resumed: readonly ClaimedJobs[]): readonly ClaimDemand[] {
    if (this.#isPaused || this.#readyFunctions.size === 0 || this.#sessions.size === 0) return [];
    const taken = new Map(resumed.map(({ workerId, jobs }) => [workerId, jobs.length]));
    let budget = this.#concurrencyLeft() - [...taken.values()].reduce((sum, count) => sum + count, 0);
    if (budget <= 0) return [];
    const wanting: { readonly session: WorkerSession; readonly functionNames: readonly string[]; slots: number }[] = [];
    for (const session of this.#sessions.values()) {
      const functionNames = this.#readyFunctionsOf(session);
      if (functionNames.length === 0) continue;
      wanting.push({
        session,
        functionNames,
        slots: Math.max(0, session.freeSlots - (taken.get(session.workerId) ?? 0)),
      });
    }
    wanting.sort((a, b) => rankOf(b.session) - rankOf(a.session) || freeShare(b) - freeShare(a));
    const demands: ClaimDemand[] = [];
    for (const want of wanting) {
      want.slots = Math.min(want.slots, budget);
      budget -= want.slots;
    }
    const isAlone = wanting.length === 1;
    for (const { session, functionNames, slots } of wanting) {
      const limit = slots + (isAlone ? session.prefetchRoom() : 0);
      if (limit > 0) demands.push({ workerId: session.workerId, functionNames, limit });
    }
    if (isAlone) return demands;
    for (const { session, functionNames } of wanting) {
      const limit = session.prefetchRoom();
      if (limit > 0) demands.push({ workerId: session.workerId, functionNames, limit });
    }
    return demands;
  }

  /** A function whose ready jobs were all claimed is not queried again until another one becomes ready. */
  onClaimed(demands: readonly ClaimDemand[], claimed: readonly ClaimedJobs[]): void {
    for (const [index, claim] of claimed.entries()) {
      const maybeMore = new Set(claim.maybeMore);
      for (const name of demands[index]?.functionNames ?? []) {
        if (!maybeMore.has(name)) this.#readyFunctions.delete(name);
      }
    }
  }

  /**
   * Recalls prefetched jobs that have not started, for idle workers that serve their functions.
   */
  recallForIdleWorkers(): void {
    const holders = [...this.#sessions.values()].filter((one) => one.freeSlots === 0 && one.waitingLeases().length > 0);
    if (holders.length === 0) return;
    for (const idle of this.#sessions.values()) {
      let room = idle.freeSlots;
      for (const busy of holders) {
        if (room <= 0) break;
        const spare = busy.waitingLeases().filter((lease) => idle.functionNames.has(lease.job.functionName));
        const recalled = spare.slice(-room);
        if (recalled.length > 0) busy.port.recall(recalled);
        room -= recalled.length;
      }
    }
  }

  /**
   * Recalls prefetched jobs that have waited for a slot since before a monotonic time: jobs take longer than they did,
   * and a worker of another daemon may be idle. Prefetching resumes once new outcomes show that jobs are short again.
   */
  recallHeldSince(heldBefore: number): void {
    for (const session of this.#sessions.values()) {
      const late = session.waitingLeases().filter((lease) => lease.heldSince < heldBefore);
      if (late.length === 0) continue;
      session.gauge.reset();
      session.port.recall(late);
    }
  }

  /** Sends workers their revocations, then the jobs that were claimed for them. */
  notifyWorkers(
    applied: readonly Transition[],
    resumed: readonly ClaimedJobs[],
    claimed: readonly ClaimedJobs[],
  ): void {
    for (const transition of applied) if (transition.change.revokeLease) this.#revoke(transition);
    for (const claim of resumed) this.#assign(claim, true);
    for (const claim of claimed) this.#assign(claim, false);
  }

  /** Whether a worker of this daemon holds the job's lease. */
  isLeased(jobId: string): boolean {
    for (const session of this.#sessions.values()) if (session.holds(jobId)) return true;
    return false;
  }

  /** Jobs that run through this daemon, as it counts slots. */
  runningCount(): number {
    let running = 0;
    for (const session of this.#sessions.values()) running += session.startedCount;
    return running;
  }

  #concurrencyLeft(): number {
    const { maxConcurrent } = this.#options;
    return maxConcurrent === 0 ? Infinity : maxConcurrent - this.runningCount();
  }

  #readyFunctionsOf(session: WorkerSession): readonly string[] {
    if (session.isDraining) return [];
    const { functionNames } = session;
    const [fewer, other] =
      functionNames.size < this.#readyFunctions.size
        ? [functionNames, this.#readyFunctions]
        : [this.#readyFunctions, functionNames];
    return [...fewer].filter((name) => other.has(name));
  }

  #assign(claim: ClaimedJobs, resumed: boolean): void {
    if (claim.jobs.length === 0) return;
    const session = this.#sessions.get(claim.workerId);
    if (session === undefined) {
      this.#options.onUndeliverable(claim.jobs);
      return;
    }
    session.add(claim.jobs, () => null);
    this.#options.onAssigned(session, claim.jobs, resumed);
  }

  #revoke(transition: Transition): void {
    const { workerId } = transition;
    const session = workerId === null ? undefined : this.#sessions.get(workerId);
    if (session === undefined) return;
    const lease = { jobId: transition.jobId, leaseToken: transition.expected.leaseToken };
    const held = session.find(lease);
    const reason = revocationReason(transition.change.error);
    // Without a lease the job was parked: the worker must end the handler that it keeps in memory.
    session.removeParked(lease.jobId);
    if (held === null) session.port.revoke(lease, reason);
    else if (!held.isRevoked) revoke(session, held, reason);
  }
}

/** 0 for a worker whose client cannot replay ordered records. */
function rankOf(session: WorkerSession): number {
  return session.isOrdered ? 1 : 0;
}

function freeShare({ session, slots }: { readonly session: WorkerSession; readonly slots: number }): number {
  return slots / (session.concurrency || 1);
}
