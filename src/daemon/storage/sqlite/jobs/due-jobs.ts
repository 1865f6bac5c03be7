import type { DuePromotion, OverdueJob } from "../../seam/jobs.ts";
import { type Row, SNAPSHOT_COLUMNS } from "../connection/rows.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import type { Events } from "../workflows/events.ts";
import type { Waits } from "../workflows/waits.ts";

const PROMOTE = `update jobs set is_ready = 1 where rowid in (
    select rowid from jobs where is_ready = 0 and run_at <= ? order by run_at limit (? + 0)
  ) returning function_id`;

const OVERDUE = `select ${SNAPSHOT_COLUMNS} from jobs
  where deadline_at is not null and deadline_at <= ? order by deadline_at limit (? + 0)`;

/** One statement each: min() of a union would read a whole index. */
const NEXT_RUN_AT = "select run_at from jobs where is_ready = 0 order by run_at limit 1";
const NEXT_DEADLINE = "select deadline_at from jobs where deadline_at is not null order by deadline_at limit 1";

export interface DueJobs {
  promote(limit: number): DuePromotion;
  listOverdue(limit: number): readonly OverdueJob[];
  nextAt(): number | null;
}

export function prepareDueJobs(session: WriteSession, reader: JobReader, waits: Waits, events: Events): DueJobs {
  const { db, functions } = session;
  const promote = db.prepare(PROMOTE);
  const overdue = db.prepare(OVERDUE);
  const nextRunAt = db.prepare(NEXT_RUN_AT);
  const nextDeadline = db.prepare(NEXT_DEADLINE);

  return {
    promote(limit) {
      const moved = promote.values(session.now, limit) as Row[];
      const functionIds = new Set(moved.map((row) => row[0] as number));
      return { functionNames: [...functionIds].map((id) => functions.nameOf(id)), promoted: moved.length };
    },
    listOverdue(limit) {
      const { now } = session;
      return (overdue.values(now, limit) as Row[]).map((row) => {
        const job = reader.snapshotOf(row);
        const isLateToFinish = job.finishBy !== null && job.finishBy <= now;
        return { job, reason: isLateToFinish ? "finish_deadline" : "start_deadline" };
      });
    },
    nextAt() {
      const times = [...nextRunAt.values(), ...nextDeadline.values()].map((row) => (row as Row)[0] as number);
      const waitDueAt = events.isSpreading() ? 0 : waits.nextDueAt();
      if (waitDueAt !== null) times.push(waitDueAt);
      return times.length === 0 ? null : Math.min(...times);
    },
  };
}
