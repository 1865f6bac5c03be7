import type { Clock, Random } from "../core/clock.ts";
import type { Job } from "../core/job.ts";
import type { MachineSettings } from "../core/job-machine.ts";
import type { Store } from "../storage/seam/store.ts";
import type { ChangeFeed } from "./lane/change-feed.ts";
import type { CommitLane } from "./lane/commit-lane.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { WorkerSession } from "./dispatch/worker-session.ts";
import type { ScheduleWatch } from "./schedules/schedule-watch.ts";

/** What the verbs of the engine work with; made once, in `daemon.ts`. */
export interface Engine {
  readonly store: Store;
  readonly lane: CommitLane;
  readonly dispatcher: Dispatcher;
  readonly changes: ChangeFeed;
  readonly schedules: ScheduleWatch;
  /** Its `now` is the store's, on which all daemons agree, whatever the clock of this machine says. */
  readonly clock: Clock;
  readonly random: Random;
  readonly newJobId: () => string;
  /** Called with the deadline of each attempt that starts, on the monotonic clock. */
  readonly onDeadline: (deadline: number) => void;
  /** Called when what jobs recorded could not be read: they went back. */
  readonly onUndelivered: (error: unknown) => void;
  /** Called once for a worker that gets no jobs whose records have an order, with the first of them. */
  readonly onUnordered: (worker: WorkerSession, job: Job) => void;
  readonly settings: EngineSettings;
}

export interface EngineSettings extends MachineSettings {
  readonly nodeId: string;
  /** A worker's lease, renewed by every frame it sends. */
  readonly leaseMs: number;
  /** Jobs running at once through this daemon; 0 = no limit. */
  readonly maxConcurrent: number;
}
