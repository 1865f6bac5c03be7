import type { TerminalState } from "../../core/job.ts";
import type { Engine } from "../engine.ts";

export interface Retention {
  /** Of SUCCESS and CANCELLED; 0 = for ever. */
  readonly finishedMs: number;
  /** Of DEAD; 0 = for ever. */
  readonly deadMs: number;
  /** Of events; 0 = for ever. */
  readonly eventMs: number;
}

/** Rows looked at by one commit: about 2 ms, so that nobody waits for the pruner. */
const SLICE = 500;

/** Deletes terminal jobs past their retention, a slice a commit. Returns how many; stops early when asked to. */
export async function pruneJobs(engine: Engine, retention: Retention, shouldStop: () => boolean): Promise<number> {
  let deleted = 0;
  for (const [state, keepMs] of retentions(retention)) {
    let done = keepMs === 0;
    while (!done && !shouldStop()) {
      const slice = await engine.lane.run(({ tx }) =>
        tx.jobs.prune({ state, finishedBefore: tx.now - keepMs, limit: SLICE }),
      );
      deleted += slice.deleted;
      done = slice.done;
    }
  }
  return deleted;
}

/** Deletes events past their retention, a slice a commit: an await of one from then on waits for the next. */
export async function pruneEvents(engine: Engine, { eventMs }: Retention, shouldStop: () => boolean): Promise<number> {
  let deleted = 0;
  let isDone = eventMs === 0;
  while (!isDone && !shouldStop()) {
    const slice = await engine.lane.run(({ tx }) => tx.events.prune(tx.now - eventMs, SLICE));
    deleted += slice;
    isDone = slice < SLICE;
  }
  return deleted;
}

/**
 * Forgets deleted schedules past the retention of their jobs, as soon as the last of these is gone. A slice a call: the
 * rest goes the next time.
 */
export async function pruneSchedules(engine: Engine, { finishedMs }: Retention): Promise<number> {
  if (finishedMs === 0) return 0;
  return engine.lane.run(({ tx }) => tx.schedules.prune(tx.now - finishedMs, SLICE));
}

function retentions(retention: Retention): readonly (readonly [TerminalState, number])[] {
  return [
    ["SUCCESS", retention.finishedMs],
    ["CANCELLED", retention.finishedMs],
    ["DEAD", retention.deadMs],
  ];
}
