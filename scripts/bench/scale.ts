/** How much of everything a run does. */
export interface Scale {
  readonly enqueueOne: number;
  readonly enqueueMany: number;
  readonly bulk: number;
  readonly drain: number;
  readonly call: number;
  readonly callMany: number;
  readonly workflows: number;
  /** Steps of one workflow. */
  readonly steps: number;
  readonly transport: number;
  /** Share of the physical limits to measure: 1 is all of them. */
  readonly limits: number;
  readonly warmUp: number;
  /** Rows of a full database. */
  readonly rows: number;
  readonly lists: number;
  readonly delayedJobs: number;
  readonly idleMs: number;
  /** Schedules that all tick at once, how often, and for how long the daemon is watched between two ticks. */
  readonly schedules: number;
  readonly tickSeconds: number;
  readonly betweenTicksMs: number;
  readonly starts: number;
  readonly memoryPlateau: number;
  readonly memoryEnd: number;
}

/** The scale that the targets are for. */
export const FULL_SCALE: Scale = {
  enqueueOne: 2_000,
  enqueueMany: 40_000,
  bulk: 40_000,
  drain: 20_000,
  call: 1_500,
  callMany: 15_000,
  workflows: 10_000,
  steps: 2_000,
  transport: 1_500,
  limits: 1,
  warmUp: 8_000,
  rows: 1_000_000,
  lists: 20,
  delayedJobs: 100_000,
  idleMs: 10_000,
  schedules: 10_000,
  tickSeconds: 60,
  betweenTicksMs: 35_000,
  starts: 10,
  memoryPlateau: 100_000,
  memoryEnd: 1_000_000,
};

/** Enough to see that all works. */
export const QUICK_SCALE: Scale = {
  enqueueOne: 200,
  enqueueMany: 4_000,
  bulk: 4_000,
  drain: 3_000,
  call: 200,
  callMany: 1_000,
  workflows: 500,
  steps: 200,
  transport: 200,
  limits: 0.2,
  warmUp: 1_000,
  rows: 20_000,
  lists: 5,
  delayedJobs: 10_000,
  idleMs: 1_500,
  schedules: 500,
  tickSeconds: 5,
  betweenTicksMs: 1_500,
  starts: 3,
  memoryPlateau: 4_000,
  memoryEnd: 12_000,
};
