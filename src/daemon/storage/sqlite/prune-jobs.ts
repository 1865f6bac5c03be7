import type { JobState } from "../../core/job.ts";
import { STATE_CODES } from "./codes.ts";
import type { DeleteJobs } from "./delete-jobs.ts";
import { FIRST_ID, lowestJobIdAt } from "./job-id.ts";
import type { Row } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

export type PruneJobs = (prune: {
  readonly state: JobState;
  readonly finishedBefore: number;
  readonly limit: number;
}) => { readonly deleted: number; readonly done: boolean };

/**
 * Walks each function's jobs of a state from the oldest id, since there is no index on finishedAt that every finished
 * job would pay for. Jobs that were old when they finished are passed over; the place reached stays in memory until
 * the round is done. A crash or rollback only means that a round begins again or leaves rows for the next one.
 */
export function preparePruneJobs({ db, functions, counters, idTimes }: WriteSession, jobs: DeleteJobs): PruneJobs {
  const oldest = db.prepare(
    `select id, finished_at from jobs
     where function_id = (? + 0) and list_state = (? + 0) and id > ? and id < ? order by id limit (? + 0)`,
  );
  const rounds = new Map<JobState, Map<number, Uint8Array>>();

  return ({ state, finishedBefore, limit }) => {
    const code = STATE_CODES[state];
    // Who finished before it was stored before it.
    const end = lowestJobIdAt(finishedBefore + idTimes.skewMs + 1);
    const round = rounds.get(state) ?? beginRound(code);
    rounds.set(state, round);
    let left = limit;
    let deleted = 0;
    for (const [functionId, place] of round) {
      const rows = oldest.values(functionId, code, place, end, left) as Row[];
      for (const [id, finishedAt] of rows as [Uint8Array, number][]) {
        if (finishedAt < finishedBefore && jobs.deleteOne(id)) deleted++;
        round.set(functionId, id);
      }
      left -= rows.length;
      if (left === 0) return { deleted, done: false };
      round.delete(functionId);
    }
    rounds.delete(state);
    return { deleted, done: true };
  };

  function beginRound(code: number): Map<number, Uint8Array> {
    const round = new Map<number, Uint8Array>();
    for (const functionId of functions.ids())
      if (counters.current(functionId, code) > 0) round.set(functionId, FIRST_ID);
    return round;
  }
}
