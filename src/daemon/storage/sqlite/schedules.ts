import type { Schedule } from "../../core/schedule.ts";
import { STATE_CODES } from "../codes.ts";
import { jobIdBytes } from "../job-id.ts";
import type { LiveTick, ScheduleAdvance, ScheduleTransaction, TickToStore } from "../schedule-store.ts";
import type { Row } from "./rows.ts";
import { SCHEDULE_COLUMN_NAMES } from "../schedule-rows.ts";
import { SCHEDULE_COLUMNS, scheduleFromRow, scheduleValues } from "./schedule-rows.ts";
import type { WriteSession } from "./write-session.ts";

/** Ticks looked at by one statement, and by one call for one schedule. */
const LOOKS_AT_ONCE = 64;
const MOST_LOOKS = 2_048;

/** @returns what a transaction does with schedules, once `now` says that it is open, and at what time */
export function prepareSchedules({ db }: WriteSession): (now: () => number) => ScheduleTransaction {
  const insert = db.prepare(
    `insert into schedules (${SCHEDULE_COLUMN_NAMES.join(", ")})
     values (${SCHEDULE_COLUMN_NAMES.map(() => "?").join(", ")}) on conflict (name) where state < 2 do nothing`,
  );
  const byName = db.prepare(`select ${SCHEDULE_COLUMNS} from schedules where name = ? and state < 2`);
  const update = db.prepare(
    `update schedules set ${SCHEDULE_COLUMN_NAMES.slice(2)
      .map((name) => `${name} = ?`)
      .join(", ")} where id = ?`,
  );
  const due = db.prepare(
    `select ${SCHEDULE_COLUMNS} from schedules where next_run_at is not null and next_run_at <= ?
     order by next_run_at limit (? + 0)`,
  );
  const recentTicks = db.prepare(
    `select job_ticks.tick_at, jobs.state from job_ticks cross join jobs on jobs.id = job_ticks.job_id
     where schedule_id = ? and tick_at is not null and tick_at >= ? order by tick_at limit (? + 0)`,
  );
  const record = db.prepare(
    "insert into job_ticks (job_id, schedule_id, tick_at) values (?, ?, ?) on conflict do nothing",
  );
  const advance = db.prepare(
    `update schedules set next_run_at = ?, last_run_at = coalesce(?, last_run_at),
       last_job_id = coalesce(?, last_job_id), skipped = skipped + ?, live_from = ? where id = ?`,
  );
  const tickTimes = db.prepare(
    `select tick_at from job_ticks
     where schedule_id = ? and tick_at is not null and tick_at >= ? and tick_at <= ? order by tick_at`,
  );

  const prune = db.prepare(
    `delete from schedules where rowid in (
       select rowid from schedules
       where state = 2 and updated_at < ? and not exists (select 1 from job_ticks where schedule_id = schedules.id)
       order by updated_at limit (? + 0)
     )`,
  );

  function findLive(scheduleId: string, from: number): LiveTick {
    const id = jobIdBytes(scheduleId);
    let liveFrom = from;
    for (let looks = 0; looks < MOST_LOOKS; looks += LOOKS_AT_ONCE) {
      const rows = recentTicks.values(id, liveFrom, LOOKS_AT_ONCE) as [number, number][];
      const live = rows.find(([, state]) => state < STATE_CODES.SUCCESS);
      if (live !== undefined) return { isLive: true, liveFrom: live[0] };
      // The last one is looked at again: a person may have retried it.
      liveFrom = rows.at(-1)?.[0] ?? liveFrom;
      if (rows.length < LOOKS_AT_ONCE) break;
    }
    return { isLive: false, liveFrom };
  }

  function recordOne({ jobId, scheduleId, tickAt }: TickToStore): boolean {
    return record.run(jobIdBytes(jobId), jobIdBytes(scheduleId), tickAt).changes === 1;
  }

  function advanceOne({ scheduleId, nextRunAt, lastRun, skipped, liveFrom }: ScheduleAdvance): void {
    const lastJobId = lastRun === null ? null : jobIdBytes(lastRun.jobId);
    advance.run(nextRunAt, lastRun?.at ?? null, lastJobId, skipped, liveFrom, jobIdBytes(scheduleId));
  }

  return (now) => ({
    insertSchedule: async (schedule: Schedule) => {
      now();
      return insert.run(...scheduleValues(schedule)).changes === 1;
    },
    getSchedule: async (name) => {
      now();
      const row = byName.values(name)[0] as Row | undefined;
      return row === undefined ? null : scheduleFromRow(row);
    },
    updateSchedule: async (schedule) => {
      now();
      const [id, , ...values] = scheduleValues(schedule);
      update.run(...values, id!);
    },
    listDueSchedules: async (limit) => (due.values(now(), limit) as Row[]).map(scheduleFromRow),
    findLiveTicks: async (looks) => {
      now();
      return looks.map(({ scheduleId, from }) => findLive(scheduleId, from));
    },
    recordTicks: async (ticks) => {
      now();
      return ticks.map(recordOne);
    },
    advanceSchedules: async (advances) => {
      now();
      for (const one of advances) advanceOne(one);
    },
    pruneSchedules: async (deletedBefore, limit) => {
      now();
      return prune.run(deletedBefore, limit).changes;
    },
    listTickTimes: async (scheduleId, from, to) => {
      now();
      return (tickTimes.values(jobIdBytes(scheduleId), from, to) as Row[]).map((row) => row[0] as number);
    },
  });
}
