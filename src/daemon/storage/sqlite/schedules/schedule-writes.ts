import type { Database } from "bun:sqlite";
import type { Schedule } from "../../../core/schedule.ts";
import type { Guard } from "../../guard.ts";
import { jobIdBytes } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import { SCHEDULE_COLUMN_NAMES } from "../../rows/schedule-rows.ts";
import type { LiveTick, LiveTickQuery, NewTick, ScheduleAdvance, ScheduleWrites } from "../../seam/schedules.ts";
import type { Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";
import { SCHEDULE_COLUMNS, scheduleFromRow, scheduleValues } from "./schedule-rows.ts";

/** Ticks looked at by one statement, and by one call for one schedule. */
const LOOKS_AT_ONCE = 64;
const MOST_LOOKS = 2_048;

const INSERT = `insert into schedules (${SCHEDULE_COLUMN_NAMES.join(", ")})
  values (${SCHEDULE_COLUMN_NAMES.map(() => "?").join(", ")}) on conflict (name) where state < 2 do nothing`;

const BY_NAME = `select ${SCHEDULE_COLUMNS} from schedules where name = ? and state < 2`;

const UPDATE = `update schedules set ${SCHEDULE_COLUMN_NAMES.slice(2)
  .map((name) => `${name} = ?`)
  .join(", ")} where id = ?`;

const DUE = `select ${SCHEDULE_COLUMNS} from schedules where next_run_at is not null and next_run_at <= ?
  order by next_run_at limit (? + 0)`;

const LIVE = `select job_ticks.tick_at, jobs.state from job_ticks cross join jobs on jobs.id = job_ticks.job_id
  where schedule_id = ? and tick_at is not null and tick_at >= ? order by tick_at limit (? + 0)`;

const RECORD = "insert into job_ticks (job_id, schedule_id, tick_at) values (?, ?, ?) on conflict do nothing";

const ADVANCE = `update schedules set next_run_at = $nextRunAt, last_run_at = coalesce($lastRunAt, last_run_at),
    last_job_id = coalesce($lastJobId, last_job_id), skipped = skipped + $skipped, live_from = $liveFrom
  where id = $scheduleId`;

const TICK_TIMES = `select tick_at from job_ticks
  where schedule_id = ? and tick_at is not null and tick_at >= ? and tick_at <= ? order by tick_at`;

const PRUNE = `delete from schedules where rowid in (
    select rowid from schedules
    where state = 2 and updated_at < ? and not exists (select 1 from job_ticks where schedule_id = schedules.id)
    order by updated_at limit (? + 0)
  )`;

/** @returns what makes the part of one transaction */
export function prepareScheduleWrites(session: WriteSession): (guard: Guard) => ScheduleWrites {
  const { db } = session;
  const byName = db.prepare(BY_NAME);
  const due = db.prepare(DUE);
  const prune = db.prepare(PRUNE);
  const insert = prepareInsert(db);
  const update = prepareUpdate(db);
  const findLiveTick = prepareFindLiveTick(db);
  const ticks = prepareTicks(db);
  const advance = prepareAdvance(db);
  return (guard) => ({
    insert: guard(insert),
    get: guard((name) => {
      const row = byName.values(name)[0] as Row | undefined;
      return row === undefined ? null : scheduleFromRow(row);
    }),
    update: guard(update),
    listDue: guard((limit) => (due.values(session.now, limit) as Row[]).map(scheduleFromRow)),
    findLiveTicks: guard((looks) => looks.map(findLiveTick)),
    recordTicks: guard((given) => given.map(ticks.record)),
    advance: guard((advances) => advances.forEach(advance)),
    prune: guard((deletedBefore, limit) => prune.run(deletedBefore, limit).changes),
    listTickTimes: guard(ticks.listTimes),
  });
}

function prepareInsert(db: Database): (schedule: Schedule) => boolean {
  const insert = db.prepare(INSERT);
  return (schedule) => insert.run(...scheduleValues(schedule)).changes === 1;
}

function prepareUpdate(db: Database): (schedule: Schedule) => void {
  const update = db.prepare(UPDATE);
  return (schedule) => {
    const [id, , ...values] = scheduleValues(schedule);
    update.run(...values, id!);
  };
}

function prepareFindLiveTick(db: Database): (look: LiveTickQuery) => LiveTick {
  const recentTicks = db.prepare(LIVE);
  return ({ scheduleId, from }) => {
    const id = jobIdBytes(scheduleId);
    let liveFrom = from;
    for (let looks = 0; looks < MOST_LOOKS; looks += LOOKS_AT_ONCE) {
      const rows = recentTicks.values(id, liveFrom, LOOKS_AT_ONCE) as [number, number][];
      const live = rows.find(([, state]) => state < STATE_CODES.SUCCESS);
      if (live !== undefined) return { isLive: true, liveFrom: live[0] };
      // The next look starts at the last tick: a user may have retried its job.
      liveFrom = rows.at(-1)?.[0] ?? liveFrom;
      if (rows.length < LOOKS_AT_ONCE) break;
    }
    return { isLive: false, liveFrom };
  };
}

function prepareTicks(db: Database) {
  const record = db.prepare(RECORD);
  const times = db.prepare(TICK_TIMES);
  return {
    record: ({ jobId, scheduleId, tickAt }: NewTick): boolean =>
      record.run(jobIdBytes(jobId), jobIdBytes(scheduleId), tickAt).changes === 1,
    listTimes: (scheduleId: string, from: number, to: number): readonly number[] =>
      (times.values(jobIdBytes(scheduleId), from, to) as Row[]).map((row) => row[0] as number),
  };
}

function prepareAdvance(db: Database): (advance: ScheduleAdvance) => void {
  const update = db.prepare(ADVANCE);
  return ({ scheduleId, nextRunAt, lastRun, skipped, liveFrom }) => {
    update.run({
      $scheduleId: jobIdBytes(scheduleId),
      $nextRunAt: nextRunAt,
      $lastRunAt: lastRun?.at ?? null,
      $lastJobId: lastRun === null ? null : jobIdBytes(lastRun.jobId),
      $skipped: skipped,
      $liveFrom: liveFrom,
    });
  };
}
