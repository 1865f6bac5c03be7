import { DaemonError } from "../../core/errors.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { CheckpointToStore, EventToStore, NamesOfJob, ResumeDemand, WaitsToStore } from "../checkpoint-store.ts";
import type { UndoToStore } from "../undo-store.ts";
import type { ClaimDemand, JobToStore, JobTransaction, WorkerToStore } from "../job-store.ts";
import type { SignalToStore } from "../signal-store.ts";
import { applyTransitions } from "./apply-transitions.ts";
import { claimJobs, resumeJobs } from "./claim-jobs.ts";
import { deleteJobs } from "./delete-jobs.ts";
import { listOverdueJobs, nextDueAt, promoteDueJobs } from "./due-jobs.ts";
import { enqueueJobs, findEnqueued } from "./enqueue-jobs.ts";
import { deleteEvent, emitEvents, pruneEvents, spreadEvents } from "./events.ts";
import { forgetAwaited } from "./records/failed-records.ts";
import { JobReader } from "./job-reader.ts";
import { type Prune, pruneJobs, type PruneRounds } from "./prune-jobs.ts";
import { scheduleTransaction } from "./schedules.ts";
import { findKinds, recordCheckpoints } from "./records/record-checkpoints.ts";
import { sendSignals } from "./signals/send-signals.ts";
import { forgetRecords, storeUndoJobs } from "./records/undo-jobs.ts";
import { endDueWaits, findParked, lockEvents, registerWaits } from "./waits.ts";
import { listLeases, removeWorker, renewWorkers, saveWorker } from "./worker-rows.ts";
import type { WriteSession } from "./write-session.ts";

/** One transaction: every verb is a statement or two of its connection. */
export class PostgresTransaction implements JobTransaction {
  readonly #session: WriteSession;
  readonly #reader: JobReader;
  readonly #rounds: PruneRounds;
  #now: number | null = null;
  #isOver = false;

  constructor(session: WriteSession, rounds: PruneRounds) {
    this.#session = session;
    this.#reader = new JobReader(session.runner, session.functions, "hold");
    this.#rounds = rounds;
    session.runner.facts.then(
      ({ now }) => (this.#now = now),
      () => {},
    );
  }

  /** After commit and rollback: whoever still holds the object can write no more. */
  end(): void {
    this.#isOver = true;
  }

  get now(): number {
    this.#open();
    if (this.#now === null) throw new DaemonError("internal", "the time is not known yet: await a verb first");
    return this.#now;
  }

  readonly schedules = scheduleTransaction(() => this.#open());

  async enqueueJobs(items: readonly JobToStore[]) {
    return enqueueJobs(this.#open(), items);
  }

  async findEnqueued(items: readonly JobToStore[]) {
    return findEnqueued(this.#open(), items);
  }

  async claimJobs(demands: readonly ClaimDemand[]) {
    return claimJobs(this.#open(), this.#reader, demands);
  }

  async applyTransitions(transitions: readonly Transition[]) {
    return applyTransitions(this.#open(), transitions);
  }

  async recordCheckpoints(items: readonly CheckpointToStore[]) {
    return recordCheckpoints(this.#open(), items);
  }

  async lockEvents(names: readonly string[]) {
    await lockEvents(this.#open(), names);
  }

  async findKinds(items: readonly NamesOfJob[]) {
    return findKinds(this.#open(), items);
  }

  async registerWaits(parks: readonly WaitsToStore[]) {
    return registerWaits(this.#open(), this.#reader, parks);
  }

  async endDueWaits(limit: number) {
    return endDueWaits(this.#open(), this.#reader, limit);
  }

  async emitEvents(events: readonly EventToStore[], limit: number) {
    return emitEvents(this.#open(), this.#reader, events, limit);
  }

  async spreadEvents(limit: number) {
    return spreadEvents(this.#open(), this.#reader, limit);
  }

  async takeAwaiters() {
    const session = this.#open();
    if (session.awaiters.size === 0) return [];
    const jobIds = [...session.awaiters];
    session.awaiters.clear();
    return findParked(session, this.#reader, jobIds);
  }

  async forgetAwaited(awaited: Parameters<JobTransaction["forgetAwaited"]>[0]) {
    return forgetAwaited(this.#open(), awaited);
  }

  async resumeJobs(demands: readonly ResumeDemand[]) {
    return resumeJobs(this.#open(), this.#reader, demands);
  }

  async pruneEvents(emittedBefore: number, limit: number) {
    return pruneEvents(this.#open(), emittedBefore, limit);
  }

  async deleteEvent(name: string) {
    return deleteEvent(this.#open(), name);
  }

  async sendSignals(items: readonly SignalToStore[]) {
    return sendSignals(this.#open(), this.#reader, items);
  }

  async getJobs(jobIds: readonly string[]) {
    this.#open();
    return this.#reader.getJobs(jobIds);
  }

  async listLeasedJobs(workerId: string) {
    this.#open();
    return this.#reader.listLeasedJobs(workerId);
  }

  async listLiveChildren(parentIds: readonly string[]) {
    this.#open();
    return this.#reader.listLiveChildren(parentIds);
  }

  async storeUndoJobs(items: readonly UndoToStore[]) {
    return storeUndoJobs(this.#open(), items);
  }

  async listUndoJobs(jobIds: readonly string[]) {
    this.#open();
    return this.#reader.listUndoJobs(jobIds);
  }

  async forgetRecords(jobIds: readonly string[]) {
    await forgetRecords(this.#open(), jobIds);
  }

  async promoteDueJobs(limit: number) {
    return promoteDueJobs(this.#open(), limit);
  }

  async listOverdueJobs(limit: number) {
    return listOverdueJobs(this.#open(), this.#reader, limit);
  }

  /** The clock is the database's, and nobody here sees when it is set. */
  async moveLengths() {
    this.#open();
  }

  async nextDueAt() {
    return nextDueAt(this.#open().runner);
  }

  async deleteJobs(jobIds: readonly string[]) {
    return deleteJobs(this.#open(), jobIds);
  }

  async pruneJobs(prune: Prune) {
    return pruneJobs(this.#open(), this.#rounds, prune);
  }

  async saveWorker(worker: WorkerToStore, leaseMs: number) {
    await saveWorker(this.#open().runner, worker, leaseMs);
  }

  async renewWorkers(nodeId: string, workerIds: readonly string[], leaseMs: number) {
    return renewWorkers(this.#open().runner, nodeId, workerIds, leaseMs);
  }

  async removeWorker(seen: Parameters<JobTransaction["removeWorker"]>[0]) {
    return removeWorker(this.#open().runner, seen);
  }

  async listLeases(workerIds: readonly string[]) {
    return listLeases(this.#open().runner, workerIds);
  }

  async listWorkers() {
    this.#open();
    return this.#reader.listWorkers();
  }

  #open(): WriteSession {
    if (this.#isOver) throw new DaemonError("internal", "the transaction is over: use it only inside transact");
    return this.#session;
  }
}
