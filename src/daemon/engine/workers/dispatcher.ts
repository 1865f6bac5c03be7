import type { Transition } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { ClaimDemand, ClaimedJobs, NewJob, ResumeDemand } from "../../storage/seam/jobs.ts";
import { revocationReason, revoke } from "./revoke-lease.ts";
import type { WorkerSession } from "./worker-session.ts";

/**
 * Who gets what next. Knows the connected workers, the functions that may have ready jobs, and when the next delayed
 * job or deadline is due; says what to claim in each transaction, and hands out what was claimed.
 *
 * What it knows is a hint that saves queries: a function marked in vain costs one look, and the poll marks all.
 */
export class Dispatcher {
  readonly #maxConcurrent: number;
  readonly #sessions = new Map<string, WorkerSession>();
  readonly #readyFunctions = new Set<string>();
  /** Workers whose parked jobs may have been woken. */
  readonly #resumableWorkers = new Set<string>();
  #isPaused = false;
  /** Called with claimed jobs whose worker has gone meanwhile. */
  onUnclaimed: (jobs: readonly Job[]) => void = () => {};
  /** Called with jobs that were claimed for a session, which counts them as its own. */
  onAssigned: (session: WorkerSession, jobs: readonly Job[], resumed: boolean) => void = () => {};
  /** Called when a time is nearer than all that were noted before; milliseconds on the store's clock. */
  onDue: (dueAt: number) => void = () => {};

  constructor(options: { readonly maxConcurrent: number }) {
    this.#maxConcurrent = options.maxConcurrent;
  }

  get sessions(): Iterable<WorkerSession> {
    return this.#sessions.values();
  }

  findSession(workerId: string): WorkerSession | null {
    return this.#sessions.get(workerId) ?? null;
  }

  addSession(session: WorkerSession): void {
    this.#sessions.set(session.workerId, session);
    // Whatever this worker serves may have waited for it.
    for (const name of session.functionNames) this.#readyFunctions.add(name);
    this.#resumableWorkers.add(session.workerId);
  }

  /** Does nothing when another stream has taken the worker over. */
  removeSession(session: WorkerSession): void {
    if (this.#sessions.get(session.workerId) === session) this.#sessions.delete(session.workerId);
  }

  markReady(functionName: string): void {
    this.#readyFunctions.add(functionName);
  }

  /** Every function that a worker serves: after a start, and for the poll that makes up for lost hints. */
  markAllReady(): void {
    for (const session of this.#sessions.values()) {
      for (const name of session.functionNames) this.#readyFunctions.add(name);
      this.markResumable(session.workerId);
    }
  }

  /** Jobs that it parked may have been woken. */
  markResumable(workerId: string): void {
    if (this.#sessions.get(workerId)?.isWorker === true) this.#resumableWorkers.add(workerId);
  }

  noteStored(item: NewJob, isReady: boolean, now: number): void {
    const { options } = item;
    if (isReady) this.markReady(item.functionName);
    else this.onDue(options.runAt ?? now + (options.delayMs ?? 0));
    const within = Math.min(options.startWithinMs ?? Infinity, options.finishWithinMs ?? Infinity);
    if (Number.isFinite(within)) this.onDue(now + within);
  }

  noteTransition(transition: Transition, now: number): void {
    if (transition.change.state !== "PENDING") return;
    const runAfterMs = transition.change.runAfterMs ?? 0;
    if (transition.change.keepWorker === true && transition.workerId !== null) this.markResumable(transition.workerId);
    if (runAfterMs > 0) this.onDue(now + runAfterMs);
    else this.markReady(transition.functionName);
  }

  /** Nothing is claimed any more: the daemon stops. */
  pause(): void {
    this.#isPaused = true;
  }

  hasDemand(): boolean {
    return this.planResumes().length > 0 || this.planClaims([]).length > 0;
  }

  /** Parked handlers that can go on come before new jobs: their workers hold them in memory. */
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

  /** A worker that got all that was woken is looked at again only when something is. */
  noteResumes(demands: readonly ResumeDemand[], resumed: readonly ClaimedJobs[]): void {
    for (const [index, { workerId, limit }] of demands.entries()) {
      if ((resumed[index]?.jobs.length ?? 0) < limit) this.#resumableWorkers.delete(workerId);
    }
  }

  /**
   * Free slots of all workers come first, then what short jobs may be prefetched; the least loaded worker first, but one
   * that hands back what it cannot replay after all others: else it would take the same job again and again.
   *
   * @param resumed what was leased in this transaction before
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

  /** A function of which a demand got all that was ready is looked at again only when something becomes ready. */
  noteClaims(demands: readonly ClaimDemand[], claimed: readonly ClaimedJobs[]): void {
    for (const [index, claim] of claimed.entries()) {
      const maybeMore = new Set(claim.maybeMore);
      for (const name of demands[index]?.functionNames ?? []) {
        if (!maybeMore.has(name)) this.#readyFunctions.delete(name);
      }
    }
  }

  /**
   * Asks workers to hand back what they were leased ahead and have not started, when another worker that serves it
   * has free slots and nothing to do.
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
   * Asks workers to hand back what waits there for a slot since before a monotonic time: their jobs are not as short as
   * they were, and a worker of another daemon may idle. They are leased ahead again when they have shown themselves.
   */
  recallHeldSince(heldBefore: number): void {
    for (const session of this.#sessions.values()) {
      const late = session.waitingLeases().filter((lease) => lease.heldSince < heldBefore);
      if (late.length === 0) continue;
      session.gauge.forget();
      session.port.recall(late);
    }
  }

  /** Tells workers what was claimed for them, and that leases were taken back. */
  afterCommit(applied: readonly Transition[], resumed: readonly ClaimedJobs[], claimed: readonly ClaimedJobs[]): void {
    for (const transition of applied) if (transition.change.revokeLease) this.#revoke(transition);
    for (const claim of resumed) this.#assign(claim, true);
    for (const claim of claimed) this.#assign(claim, false);
  }

  /** Whether the job is leased to a worker of this daemon. */
  isLeased(jobId: string): boolean {
    for (const session of this.#sessions.values()) if (session.holds(jobId)) return true;
    return false;
  }

  /** Jobs running through this daemon by its count of slots. */
  runningCount(): number {
    let running = 0;
    for (const session of this.#sessions.values()) running += session.startedCount;
    return running;
  }

  #concurrencyLeft(): number {
    return this.#maxConcurrent === 0 ? Infinity : this.#maxConcurrent - this.runningCount();
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
      this.onUnclaimed(claim.jobs);
      return;
    }
    session.add(claim.jobs, () => null);
    this.onAssigned(session, claim.jobs, resumed);
  }

  #revoke(transition: Transition): void {
    const { workerId } = transition;
    const session = workerId === null ? undefined : this.#sessions.get(workerId);
    if (session === undefined) return;
    const lease = { jobId: transition.jobId, leaseToken: transition.expected.leaseToken };
    const held = session.find(lease);
    const reason = revocationReason(transition.change.error);
    // Without a lease the job was parked: its handler is in the worker's memory, and is to end too.
    session.forgetPark(lease.jobId);
    if (held === null) session.port.revoke(lease, reason);
    else if (!held.isRevoked) revoke(session, held, reason);
  }
}

/** 0 for a worker whose client keeps no order. */
function rankOf(session: WorkerSession): number {
  return session.isOrdered ? 1 : 0;
}

function freeShare({ session, slots }: { readonly session: WorkerSession; readonly slots: number }): number {
  return slots / (session.concurrency || 1);
}
