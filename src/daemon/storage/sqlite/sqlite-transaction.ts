import { DaemonError } from "../../core/errors.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { CheckpointToStore, EventToStore, NamesOfJob, ResumeDemand, WaitsToStore } from "../checkpoint-store.ts";
import type { UndoToStore } from "../undo-store.ts";
import type { ClaimDemand, JobToStore, JobTransaction, WorkerToStore } from "../job-store.ts";
import type { SignalToStore } from "../signal-store.ts";
import { prepareApplyTransitions } from "./apply-transitions.ts";
import { prepareClaimJobs } from "./claim-jobs.ts";
import { prepareDeleteJobs } from "./delete-jobs.ts";
import { prepareDueJobs } from "./due-jobs.ts";
import { prepareEnqueueJobs } from "./enqueue-jobs.ts";
import { prepareEvents } from "./events.ts";
import { JobReader } from "./job-reader.ts";
import { prepareFailedRecords } from "./records/failed-records.ts";
import { prepareMoveLengths } from "./move-lengths.ts";
import { preparePruneJobs } from "./prune-jobs.ts";
import { prepareSchedules } from "./schedules.ts";
import { prepareRecordCheckpoints } from "./records/record-checkpoints.ts";
import { prepareSendSignals } from "./signals/send-signals.ts";
import { prepareUndoJobs } from "./records/undo-jobs.ts";
import { prepareWaits } from "./waits.ts";
import { prepareWorkerRows } from "./worker-rows.ts";
import type { WriteSession } from "./write-session.ts";

/** What a transaction can do, prepared once for all of them. */
export type Verbs = ReturnType<typeof prepareVerbs>;

export function prepareVerbs(session: WriteSession) {
  const reader = new JobReader(session.db, session.functions);
  const deletion = prepareDeleteJobs(session);
  const waits = prepareWaits(session);
  const events = prepareEvents(session, waits);
  const failedRecords = prepareFailedRecords(session);
  return {
    reader,
    deletion,
    enqueue: prepareEnqueueJobs(session),
    claims: prepareClaimJobs(session, reader),
    apply: prepareApplyTransitions(session, failedRecords),
    failedRecords,
    checkpoints: prepareRecordCheckpoints(session),
    waits,
    events,
    sendSignals: prepareSendSignals(session, waits),
    due: prepareDueJobs(session, reader, waits, events),
    moveLengths: prepareMoveLengths(session),
    undo: prepareUndoJobs(session),
    prune: preparePruneJobs(session, deletion),
    workers: prepareWorkerRows(session),
    schedules: prepareSchedules(session),
  };
}

/** One transaction. Nothing in it waits: every answer is there when the call returns. */
export class SqliteTransaction implements JobTransaction {
  readonly #session: WriteSession;
  readonly #verbs: Verbs;
  readonly #now: number;
  #isOver = false;

  constructor(session: WriteSession, verbs: Verbs, now: number) {
    this.#session = session;
    this.#verbs = verbs;
    this.#now = now;
  }

  /** After commit and rollback: whoever still holds the object can write no more. */
  end(): void {
    this.#isOver = true;
  }

  get now(): number {
    if (this.#isOver) throw new DaemonError("internal", "the transaction is over: use it only inside transact");
    return this.#now;
  }

  get schedules() {
    return this.#verbs.schedules(() => this.now);
  }

  async enqueueJobs(items: readonly JobToStore[]) {
    return this.#verbs.enqueue.store(items, this.now);
  }

  async findEnqueued(items: readonly JobToStore[]) {
    return this.#inside(() => this.#verbs.enqueue.find(items));
  }

  async claimJobs(demands: readonly ClaimDemand[]) {
    return this.#verbs.claims.claim(demands, this.now);
  }

  async applyTransitions(transitions: readonly Transition[]) {
    return this.#verbs.apply(transitions, this.now);
  }

  async recordCheckpoints(items: readonly CheckpointToStore[]) {
    return this.#verbs.checkpoints.record(items, this.now);
  }

  /** Nobody else writes this file. */
  async lockEvents() {}

  async findKinds(items: readonly NamesOfJob[]) {
    return this.#inside(() => this.#verbs.checkpoints.findKinds(items));
  }

  async registerWaits(parks: readonly WaitsToStore[]) {
    return this.#verbs.waits.register(parks, this.now);
  }

  async endDueWaits(limit: number) {
    return this.#verbs.waits.endDue(limit, this.now);
  }

  async emitEvents(events: readonly EventToStore[], limit: number) {
    return this.#verbs.events.emit(events, limit, this.now);
  }

  async spreadEvents(limit: number) {
    return this.#verbs.events.spread(limit, this.now);
  }

  async takeAwaiters() {
    const ended = this.#session.awaited.takeEnded();
    return ended.length === 0 ? NOBODY : this.#verbs.waits.endForJobs(ended, this.now);
  }

  async forgetAwaited({ jobId, awaitedBy }: Parameters<JobTransaction["forgetAwaited"]>[0]) {
    return this.#inside(() => this.#verbs.failedRecords.forgetAwaited(jobId, awaitedBy));
  }

  async resumeJobs(demands: readonly ResumeDemand[]) {
    return this.#verbs.claims.resume(demands, this.now);
  }

  async pruneEvents(emittedBefore: number, limit: number) {
    return this.#inside(() => this.#verbs.events.prune(emittedBefore, limit));
  }

  async deleteEvent(name: string) {
    return this.#inside(() => this.#verbs.events.delete(name));
  }

  async sendSignals(items: readonly SignalToStore[]) {
    return this.#verbs.sendSignals(items, this.now);
  }

  async getJobs(jobIds: readonly string[]) {
    return this.#inside(() => this.#verbs.reader.getSnapshots(jobIds));
  }

  async listLeasedJobs(workerId: string) {
    const jobIds = this.#session.running.ofWorker(workerId);
    return this.#inside(() =>
      this.#verbs.reader.getSnapshots(jobIds).filter((job) => job.state === "RUNNING" && job.workerId === workerId),
    );
  }

  async listLiveChildren(parentIds: readonly string[]) {
    return this.#inside(() => this.#verbs.reader.listLiveChildren(parentIds));
  }

  async storeUndoJobs(items: readonly UndoToStore[]) {
    return this.#verbs.undo.store(items, this.now);
  }

  async listUndoJobs(jobIds: readonly string[]) {
    return this.#inside(() => this.#verbs.reader.listUndoJobs(jobIds));
  }

  async forgetRecords(jobIds: readonly string[]) {
    this.#inside(() => this.#verbs.undo.forgetRecords(jobIds));
  }

  async promoteDueJobs(limit: number) {
    return this.#verbs.due.promote(limit, this.now);
  }

  async listOverdueJobs(limit: number) {
    return this.#verbs.due.listOverdue(limit, this.now);
  }

  async moveLengths(byMs: number) {
    return this.#inside(() => this.#verbs.moveLengths(byMs));
  }

  async nextDueAt() {
    return this.#inside(() => this.#verbs.due.nextAt());
  }

  async deleteJobs(jobIds: readonly string[]) {
    return this.#inside(() => this.#verbs.deletion.deleteMany(jobIds));
  }

  async pruneJobs(prune: Parameters<JobTransaction["pruneJobs"]>[0]) {
    return this.#inside(() => this.#verbs.prune(prune));
  }

  async saveWorker(worker: WorkerToStore, leaseMs: number) {
    this.#verbs.workers.save(worker, leaseMs, this.now);
  }

  async renewWorkers(nodeId: string, workerIds: readonly string[], leaseMs: number) {
    return this.#verbs.workers.renew(nodeId, workerIds, leaseMs, this.now);
  }

  async removeWorker(seen: Parameters<JobTransaction["removeWorker"]>[0]) {
    return this.#inside(() => this.#verbs.workers.remove(seen));
  }

  async listLeases(workerIds: readonly string[]) {
    const wanted = new Set(workerIds);
    const jobIds = [...wanted].flatMap((workerId) => this.#session.running.ofWorker(workerId));
    return this.#inside(() =>
      this.#verbs.reader.getSnapshots(jobIds).flatMap(({ jobId, leaseToken, state, workerId }) => {
        return state === "RUNNING" && workerId !== null && wanted.has(workerId)
          ? [{ jobId, leaseToken, workerId }]
          : [];
      }),
    );
  }

  async listWorkers() {
    return this.#inside(() => this.#verbs.reader.listWorkers());
  }

  /** A verb that does not read the time still belongs to an open transaction. */
  #inside<T>(verb: () => T): T {
    void this.now;
    return verb();
  }
}

const NOBODY: readonly never[] = [];
