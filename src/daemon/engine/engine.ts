import type { Clock, Random } from "../core/clock.ts";
import type { MachineSettings } from "../core/job-machine.ts";
import type { Job } from "../core/job.ts";
import type { Store } from "../storage/seam/store.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { WorkerSession } from "./dispatch/worker-session.ts";
import type { ChangeFeed } from "./lane/change-feed.ts";
import type { CommitLane } from "./lane/commit-lane.ts";
import type { ScheduleWatch } from "./schedules/schedule-watch.ts";

/** The parts that the engine's verbs work with; created once, in `daemon.ts`. */
export interface Engine {
  readonly store: Store;
  readonly lane: CommitLane;
  readonly dispatcher: Dispatcher;
  readonly changes: ChangeFeed;
  readonly schedules: ScheduleWatch;
  /** `now` is the store's time, on which all daemons agree, whatever this machine's clock shows. */
  readonly clock: Clock;
  readonly random: Random;
  readonly newJobId: () => string;
  /** Called with the deadline of each attempt that starts, on the monotonic clock. */
  readonly onDeadline: (deadline: number) => void;
  /** Called when the checkpoints of claimed jobs could not be read; the jobs were released. */
  readonly onUndelivered: (error: unknown) => void;
  /** Called once for a worker that cannot replay ordered records, with the first job that it had to release. */
  readonly onUnordered: (worker: WorkerSession, job: Job) => void;
  readonly settings: EngineSettings;
}

export interface EngineSettings extends MachineSettings {
  readonly nodeId: string;
  /** Duration of a worker's lease, which every frame that it sends renews. */
  readonly leaseMs: number;
  /** Jobs that run at once through this daemon; 0 = no limit. */
  readonly maxConcurrent: number;
}
