import { create } from "@bufbuild/protobuf";
import { UNANSWERED_FRAME_ID } from "#proto/contract.ts";
import {
  type HeldLease,
  HeldLeaseSchema,
  type Reply,
  type SessionRequest,
  WelcomeSchema,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { DaemonError, invalidArgument } from "../../core/errors.ts";
import type { WorkerSession } from "../../engine/dispatch/worker-session.ts";
import type { Engine } from "../../engine/engine.ts";
import { awaitEnds, type EndListener, type Waiting } from "../../engine/jobs/await-jobs.ts";
import { type EnqueueResult, submitEnqueues } from "../../engine/jobs/enqueue-jobs.ts";
import { heartbeatAttempts } from "../../engine/jobs/heartbeat-attempts.ts";
import { settleAttempts } from "../../engine/jobs/settle-attempts.ts";
import { addFunctions, type ConnectingWorker, connectWorker } from "../../engine/workers/connect-worker.ts";
import { drainWorker } from "../../engine/workers/drain-worker.ts";
import { recordCheckpoints } from "../../engine/workflows/record-checkpoints.ts";
import { wakeParked } from "../../engine/workflows/wake-jobs.ts";
import type { DaemonInfo } from "../daemon-info.ts";
import { fromRecordResult, toCheckpointReport, toRecordedCheckpoint } from "../messages/checkpoint-messages.ts";
import { fromEnqueueResult, fromSettleResult, toEnqueueItem } from "../messages/job-messages.ts";
import {
  checkFunctionNames,
  missingJob,
  toAssignment,
  toAttemptReport,
  toConnectingWorker,
  toFinishedJob,
  toHeldLease,
  toRevocation,
} from "./session-messages.ts";
import { SessionOutbox } from "./session-outbox.ts";

/** Maximum number of calls in one frame. */
const MAX_FRAME_ITEMS = 10_000;
/** Maximum number of unanswered frames of one client; no more are read until some are answered. */
const MAX_ANSWERING = 256;
/** Maximum number of jobs that one client may await at once. */
const MAX_AWAITED = 1_000_000;
/** Postponed results that are read again together; each may have a megabyte. */
const POSTPONED_AT_ONCE = 32;

/** The session of one client: passes its frames to the engine and puts the results into its outbox. */
export class ClientSession {
  readonly outbox = new SessionOutbox();
  readonly #engine: Engine;
  readonly #info: DaemonInfo;
  readonly #worker: ConnectingWorker;
  #session: WorkerSession | null = null;
  #answering = 0;
  #isFinishing = false;
  #isClosed = false;
  /** Called once when the session stops being busy. */
  onReady: (() => void) | null = null;
  readonly #awaited = new Map<string, { stop(): void }>();
  /** Awaited jobs that ended while the outbox was full; their results are read again once there is room. */
  readonly #postponed = new Set<string>();
  #isSendingPostponed = false;

  constructor(engine: Engine, info: DaemonInfo, first: SessionRequest) {
    this.#engine = engine;
    this.#info = info;
    if (first.hello === undefined) {
      throw invalidArgument([
        { field: "hello", description: "is missing; the first frame of a session must identify the client" },
      ]);
    }
    this.#worker = toConnectingWorker(first.hello);
  }

  /** The session of the worker, once it is open. */
  get session(): WorkerSession | null {
    return this.#session;
  }

  /** Opens the session, sends the welcome and then handles the rest of the first frame. */
  async open(first: SessionRequest): Promise<void> {
    const { session, lostLeases } = await connectWorker(this.#engine, this.#worker, {
      assign: (deliveries) => this.outbox.assign(deliveries.map(toAssignment)),
      replay: (lease, checkpoints, ofUndone) =>
        this.outbox.replay(checkpoints.map((checkpoint) => toRecordedCheckpoint(lease, checkpoint, ofUndone))),
      revoke: (lease, reason) => this.outbox.revoke(toRevocation(lease, reason)),
      recall: (leases) => this.outbox.recall(leases.map(toHeldLease)),
      end: () => this.outbox.end(),
    });
    this.#session = session;
    if (this.#isClosed) {
      // The client disconnected while its session was being opened. It keeps its leases.
      this.#engine.dispatcher.removeSession(session);
      return;
    }
    this.outbox.welcome(
      create(WelcomeSchema, {
        daemonVersion: this.#info.version,
        nodeId: this.#engine.settings.nodeId,
        leaseMs: this.#engine.settings.leaseMs,
        lostLeases: lostLeases.map(({ jobId, leaseToken }) => create(HeldLeaseSchema, { jobId, leaseToken })),
      }),
    );
    this.receive(first);
  }

  /** Handles one frame. Throws if it is malformed, or if the client does not read what it is sent. */
  receive(frame: SessionRequest): void {
    const session = this.#session;
    if (session === null) throw new DaemonError("internal", "a frame arrived before the session was open");
    session.lastSeenAt = this.#engine.clock.monotonic();
    this.#checkLoad(frame);
    if (frame.addFunctions.length > 0) this.#addFunctions(session, frame.addFunctions);
    this.#answer(session, frame);
    if (frame.heartbeats.length > 0) heartbeatAttempts(this.#engine, session, frame.heartbeats);
    if (frame.wakes.length > 0) this.#wakeParked(session, frame.wakes);
    for (const jobId of frame.unawaitJobIds) this.#unawait(jobId);
    this.#await(frame.awaitJobIds);
  }

  /** Whether too many frames are unanswered to read more. */
  get isBusy(): boolean {
    return this.#answering >= MAX_ANSWERING;
  }

  #notifyReady(): void {
    if (this.onReady === null || this.isBusy) return;
    const ready = this.onReady;
    this.onReady = null;
    ready();
  }

  /** The client has sent its last frame: ends the stream once all its frames are answered. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#answering === 0) this.outbox.end();
  }

  /** The stream has ended. The worker keeps its leases until it reconnects or is lost. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of this.#awaited.values()) waiting.stop();
    this.#awaited.clear();
    this.#postponed.clear();
    this.outbox.end();
    if (this.#session !== null) this.#engine.dispatcher.removeSession(this.#session);
  }

  #checkLoad(frame: SessionRequest): void {
    const { enqueues, outcomes, checkpoints, heartbeats, wakes } = frame;
    const items = enqueues.length + outcomes.length + checkpoints.length + heartbeats.length + wakes.length;
    if (items > MAX_FRAME_ITEMS) {
      throw invalidArgument([
        { field: "enqueues", description: `a frame has ${items} calls; at most ${MAX_FRAME_ITEMS} are allowed` },
      ]);
    }
    if (this.#awaited.size + frame.awaitJobIds.length > MAX_AWAITED) {
      throw new DaemonError("resource_exhausted", `one session awaits at most ${MAX_AWAITED} jobs at once`);
    }
    if (this.outbox.isOverfull) {
      throw new DaemonError("resource_exhausted", "the client is not reading its stream; reconnect and await again");
    }
  }

  /** Sends one reply per frame once all its calls are on disk; none for a frame without calls and without an ID. */
  #answer(session: WorkerSession, frame: SessionRequest): void {
    const reply: Reply = {
      $typeName: "reseolio.v1.Reply",
      frameId: frame.frameId,
      enqueued: [],
      settled: [],
      recorded: [],
    };
    const { enqueues, outcomes, checkpoints } = frame;
    let waiting = [enqueues, outcomes, checkpoints].filter((items) => items.length > 0).length + (frame.drain ? 1 : 0);
    const finish = (): void => {
      if (--waiting > 0) return;
      this.outbox.reply(reply);
      this.#answering--;
      this.#notifyReady();
      if (this.#isFinishing) this.finish();
    };
    if (waiting === 0 && frame.frameId === UNANSWERED_FRAME_ID) return;
    this.#answering++;
    if (waiting === 0) finish();
    if (enqueues.length > 0) this.#enqueue(frame, reply, finish);
    // Before #settle: the outcomes of this frame release the leases that these records need.
    if (checkpoints.length > 0) this.#record(session, frame, reply, finish);
    if (outcomes.length > 0) this.#settle(session, frame, reply, finish);
    if (frame.drain) drainWorker(this.#engine, session, finish);
  }

  #enqueue(frame: SessionRequest, reply: Reply, finish: () => void): void {
    const items = frame.enqueues.map((job, index) => toEnqueueItem(job, `enqueues[${index}]`));
    const answer = (results: readonly EnqueueResult[]): void => {
      reply.enqueued = results.map((result, index) => fromEnqueueResult(result, items[index]?.jobId ?? null));
      finish();
    };
    submitEnqueues(this.#engine, items, {
      done: answer,
      failed: (error) => answer(items.map(() => ({ ok: false, error }))),
    });
  }

  #settle(session: WorkerSession, frame: SessionRequest, reply: Reply, finish: () => void): void {
    const reports = frame.outcomes.map((outcome, index) => toAttemptReport(outcome, `outcomes[${index}]`));
    settleAttempts(this.#engine, session, reports, (results) => {
      reply.settled = results.map(fromSettleResult);
      finish();
    });
  }

  #record(session: WorkerSession, frame: SessionRequest, reply: Reply, finish: () => void): void {
    const reports = frame.checkpoints.map((one, index) => toCheckpointReport(one, `checkpoints[${index}]`));
    recordCheckpoints(this.#engine, session, reports, (results) => {
      reply.recorded = results.map(fromRecordResult);
      finish();
    });
  }

  #wakeParked(session: WorkerSession, leases: readonly HeldLease[]): void {
    // The client sends the wakes again on its next stream.
    wakeParked(this.#engine, session, leases).catch(() => this.outbox.end());
  }

  #addFunctions(session: WorkerSession, names: readonly string[]): void {
    checkFunctionNames(names, "add_functions");
    // If the store fails, the next functions or the next hello try again; claims need the record.
    addFunctions(this.#engine, session, this.#worker, names).catch(() => this.outbox.end());
  }

  #await(jobIds: readonly string[]): void {
    const fresh = jobIds.filter((jobId) => !this.#awaited.has(jobId));
    if (fresh.length > 0) this.#awaitEnds(fresh);
  }

  #awaitEnds(jobIds: readonly string[]): Waiting {
    const listener: EndListener = {
      onEnded: (end) => {
        if (this.outbox.isFull) {
          this.#postpone(end.jobId);
          return;
        }
        this.#awaited.delete(end.jobId);
        this.outbox.finish(toFinishedJob(end));
      },
      onMissing: (jobId) => {
        this.#awaited.delete(jobId);
        this.outbox.finish(missingJob(jobId));
      },
      // The client reconnects and awaits again.
      onFault: () => this.outbox.end(),
    };
    const waiting = awaitEnds(this.#engine, jobIds, listener);
    for (const jobId of jobIds) this.#awaited.set(jobId, { stop: () => waiting.stopOne(jobId) });
    return waiting;
  }

  /** The client reads more slowly than its jobs end: leaves the results in the store for now. */
  #postpone(jobId: string): void {
    this.#postponed.add(jobId);
    if (this.#isSendingPostponed) return;
    this.#isSendingPostponed = true;
    void this.#sendPostponed();
  }

  /** Sends postponed results, a few at a time, whenever there is room. */
  async #sendPostponed(): Promise<void> {
    while (this.#postponed.size > 0) {
      await this.outbox.room();
      if (this.#isClosed) return;
      const jobIds = this.#postponed.values().take(POSTPONED_AT_ONCE).toArray();
      for (const jobId of jobIds) this.#postponed.delete(jobId);
      await this.#awaitEnds(jobIds).checked;
    }
    this.#isSendingPostponed = false;
  }

  #unawait(jobId: string): void {
    this.#postponed.delete(jobId);
    this.#awaited.get(jobId)?.stop();
    this.#awaited.delete(jobId);
  }
}
