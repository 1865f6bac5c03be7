import type { JobState } from "../../../core/job.ts";
import { FIRST_ID, lowestJobIdAt } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import type { JobPrune, PrunedJobs } from "../../seam/jobs.ts";
import type { WriteSession } from "../session/write-session.ts";
import type { DeleteJobs } from "./delete-jobs.ts";
import { IdStream, MergedIds, oldestFirst } from "./id-streams.ts";

export type PruneJobs = (prune: JobPrune) => PrunedJobs;

const OLDEST = `select id from jobs
  where function_id = (? + 0) and list_state = (? + 0) and id > ? order by id limit (? + 0)`;

/** Ids read ahead of each function, of which there may be thousands. */
const IDS_AHEAD = 64;

/**
 * Walks the jobs of a state from the oldest id on, over all functions together, so that one slice deletes rows that
 * were stored next to each other, and few pages are written. There is no index on finishedAt, because every finished
 * job would pay for it: jobs that were old when they finished are skipped. The position stays in memory until the round
 * is done; a crash or rollback only means that rows are left for the next round.
 */
export function preparePruneJobs(session: WriteSession, jobs: DeleteJobs): PruneJobs {
  const { db, functions, counters, idTimes } = session;
  const oldest = db.prepare(OLDEST);
  const rounds = new Map<JobState, MergedIds>();

  return (prune) => {
    const { state, finishedBefore, limit } = prune;
    // A job that finished before this time was stored before it.
    const end = lowestJobIdAt(finishedBefore + idTimes.skewMs + 1);
    const round = rounds.get(state) ?? beginRound(STATE_CODES[state]);
    rounds.set(state, round);
    let deleted = 0;
    for (let looks = 0; looks < limit; looks++) {
      const id = round.peek();
      if (id === null || !oldestFirst(id, end)) {
        rounds.delete(state);
        return { deleted, done: true };
      }
      if (jobs.deleteFinished(id, STATE_CODES[state], finishedBefore)) deleted++;
      round.advance();
    }
    return { deleted, done: false };
  };

  function beginRound(code: number): MergedIds {
    const busy = [...functions.ids()].filter((id) => counters.current(id, code) > 0);
    return new MergedIds(
      busy.map((id) => new IdStream(oldest, [id, code], FIRST_ID, IDS_AHEAD, IDS_AHEAD)),
      oldestFirst,
    );
  }
}
