import type { Clock, Random } from "../core/clock.ts";
import type { DaemonError } from "../core/errors.ts";
import type { Job } from "../core/job.ts";
import type { Store } from "../storage/seam/store.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import type { WorkerSession } from "./dispatch/worker-session.ts";
import type { Engine, EngineSettings } from "./engine.ts";
import { enqueueKind } from "./jobs/enqueue-jobs.ts";
import { settleKind } from "./jobs/settle-attempts.ts";
import { ChangeFeed } from "./lane/change-feed.ts";
import { CommitLane, type CommitLaneOptions } from "./lane/commit-lane.ts";
import { ScheduleWatch } from "./schedules/schedule-watch.ts";
import { deliverJobs, releaseUndeliverable } from "./workers/deliver-jobs.ts";
import { deliverUndoJobs } from "./workers/deliver-undo-jobs.ts";
import { emitKind } from "./workflows/emit-event.ts";
import { recordKind } from "./workflows/record-checkpoints.ts";
import { signalKind } from "./workflows/send-signal.ts";
import { wakeAwaiters } from "./workflows/wake-jobs.ts";

export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly newJobId: () => string;
  readonly settings: EngineSettings;
  readonly onDeadline: (deadline: number) => void;
  readonly onUndelivered?: Engine["onUndelivered"];
  readonly onUnordered?: Engine["onUnordered"];
  /** Called when the store fails such that the daemon must stop. */
  readonly onFatal: (error: DaemonError) => void;
  /** Called after each commit with its duration and its transitions. */
  readonly onCommit?: CommitLaneOptions["onCommit"];
}

/** Another daemon may have been there for ticks that are not older than this. SQLite has no other daemon (P18). */
const OTHERS_GRACE_MS = 5_000;

/**
 * All kinds of writes, in the order in which a transaction applies them: waits of parked jobs may take later signals.
 */
const WRITE_KINDS = [enqueueKind, recordKind, settleKind, emitKind, signalKind];

/** Puts an engine together. Nothing runs until it gets work or workers. */
export function createEngine(options: EngineOptions): Engine {
  const { store, random, newJobId, settings, onDeadline, onFatal, onCommit } = options;
  const clock: Clock = { now: () => store.now(), monotonic: () => options.clock.monotonic() };
  const dispatcher = new Dispatcher({
    maxConcurrent: settings.maxConcurrent,
    onAssigned: (session, jobs, resumed) => deliverClaimed(engine, session, jobs, resumed),
    onUndeliverable: (jobs) => releaseUndeliverable(engine, jobs),
  });
  const changes = new ChangeFeed();
  const schedules = new ScheduleWatch(store.kind === "sqlite" ? 0 : OTHERS_GRACE_MS);
  const lane = new CommitLane({
    store,
    dispatcher,
    changes,
    onFatal,
    newJobId,
    kinds: WRITE_KINDS,
    beforeClaims: wakeAwaiters,
    onCommit,
  });
  const engine: Engine = {
    store,
    lane,
    dispatcher,
    changes,
    schedules,
    clock,
    random,
    newJobId,
    settings,
    onDeadline,
    onUndelivered: options.onUndelivered ?? (() => {}),
    onUnordered: options.onUnordered ?? (() => {}),
  };
  return engine;
}

/** Sends jobs that were claimed to their worker. */
function deliverClaimed(engine: Engine, session: WorkerSession, jobs: readonly Job[], resumed: boolean): void {
  // A handler that resumes in memory has already received the records that it undoes.
  const undoing = resumed ? [] : jobs.filter((job) => job.undoOf !== null);
  const others = undoing.length === 0 ? jobs : jobs.filter((job) => job.undoOf === null);
  deliverJobs(engine, session, others, resumed);
  if (undoing.length > 0) deliverUndoJobs(engine, session, undoing);
}
