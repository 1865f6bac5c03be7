import type { Clock, Random } from "../core/clock.ts";
import type { DaemonError } from "../core/errors.ts";
import type { Store } from "../storage/seam/store.ts";
import { ChangeFeed } from "./lane/change-feed.ts";
import type { CommitLaneOptions } from "./lane/commit-lane.ts";
import { CommitLane } from "./lane/commit-lane.ts";
import { deliverJobs } from "./workers/deliver-jobs.ts";
import { deliverUndoJobs } from "./workers/deliver-undo-jobs.ts";
import { Dispatcher } from "./workers/dispatcher.ts";
import type { Engine, EngineSettings } from "./engine.ts";
import { ScheduleWatch } from "./schedules/schedule-watch.ts";

export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly newJobId: () => string;
  readonly settings: EngineSettings;
  readonly onDeadline: (deadline: number) => void;
  readonly onUndelivered?: Engine["onUndelivered"];
  readonly onUnordered?: Engine["onUnordered"];
  /** The store says that the daemon cannot go on. */
  readonly onFatal: (error: DaemonError) => void;
  /** Called after each commit with its length and what it changed in jobs that were there. */
  readonly onCommit?: CommitLaneOptions["onCommit"];
}

/** Ticks so young may have been another daemon's to fire. SQLite has no other daemon (P18). */
const OTHERS_GRACE_MS = 5_000;

/** Puts the parts of an engine together. Nothing runs until it is given work or workers. */
export function createEngine(options: EngineOptions): Engine {
  const { store, random, newJobId, settings, onDeadline, onFatal, onCommit } = options;
  const clock: Clock = { now: () => store.now(), monotonic: () => options.clock.monotonic() };
  const dispatcher = new Dispatcher({ maxConcurrent: settings.maxConcurrent });
  const changes = new ChangeFeed();
  const schedules = new ScheduleWatch(store.kind === "sqlite" ? 0 : OTHERS_GRACE_MS);
  const lane = new CommitLane({
    store,
    dispatcher,
    changes,
    onFatal,
    newJobId,
    ...(onCommit === undefined ? {} : { onCommit }),
  });
  const engine: Engine = {
    ...{ store, lane, dispatcher, changes, schedules, clock, random, newJobId, settings, onDeadline },
    onUndelivered: options.onUndelivered ?? (() => {}),
    onUnordered: options.onUnordered ?? (() => {}),
  };
  dispatcher.onAssigned = (session, jobs, resumed) => {
    // A handler that goes on where it waits has seen what it undoes.
    const undoing = resumed ? [] : jobs.filter((job) => job.undoOf !== null);
    const others = undoing.length === 0 ? jobs : jobs.filter((job) => job.undoOf === null);
    deliverJobs(engine, session, others, resumed);
    if (undoing.length > 0) deliverUndoJobs(engine, session, undoing);
  };
  return engine;
}
