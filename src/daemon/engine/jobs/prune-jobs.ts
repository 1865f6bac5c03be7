import type { TerminalState } from "../../core/job.ts";
import type { Engine } from "../engine.ts";

export interface JobRetention {
  /** For SUCCESS and CANCELLED; 0 = forever. */
  readonly finishedMs: number;
  /** For DEAD; 0 = forever. */
  readonly deadMs: number;
}

/** Rows that one commit examines: about 2 ms, so that nobody waits for the pruner. */
const SLICE = 500;

/** Deletes terminal jobs past their retention, a slice per commit. Returns how many; stops early when asked to. */
export async function pruneJobs(engine: Engine, retention: JobRetention, shouldStop: () => boolean): Promise<number> {
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

function retentions(retention: JobRetention): readonly (readonly [TerminalState, number])[] {
  return [
    ["SUCCESS", retention.finishedMs],
    ["CANCELLED", retention.finishedMs],
    ["DEAD", retention.deadMs],
  ];
}
