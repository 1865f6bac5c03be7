import type { Guard } from "../../guard.ts";
import { SCHEDULE_COLUMN_NAMES } from "../../rows/schedule-rows.ts";
import type { LiveTick, LiveTickQuery, NewTick, ScheduleAdvance, ScheduleWrites } from "../../seam/schedules.ts";
import { numberArray, storedText, uuidArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";
import type { WriteSession } from "../session/write-session.ts";
import { SCHEDULE_COLUMNS, scheduleFromRow, scheduleParams } from "./schedule-rows.ts";

const INSERT = `insert into reseolio.schedules (${SCHEDULE_COLUMN_NAMES.join(", ")})
  values (${SCHEDULE_COLUMN_NAMES.map((_, index) => `$${index + 1}`).join(", ")})
  on conflict (name) where state < 2 do nothing returning id`;

const BY_NAME = `select ${SCHEDULE_COLUMNS} from reseolio.schedules as schedule
  where schedule.name = $1 and schedule.state < 2 for update`;

const UPDATE = `update reseolio.schedules set ${SCHEDULE_COLUMN_NAMES.slice(2)
  .map((name, index) => `${name} = $${index + 2}`)
  .join(", ")} where id = $1`;

/** Skips schedules that another daemon is firing: their rows have the next tick when it is done. */
const DUE = `select ${SCHEDULE_COLUMNS} from reseolio.schedules as schedule
  where schedule.next_run_at is not null and schedule.next_run_at <= (select reseolio.now_ms())
  order by schedule.next_run_at limit $1::int for update skip locked`;

/** For each schedule: the first tick whose job has not ended, and the last tick that was looked at. */
const LIVE = `select given.place, min(look.tick_at) filter (where look.state < 3), max(look.tick_at)
  from unnest($1::int[], $2::uuid[], $3::bigint[]) as given (place, schedule_id, from_at)
  cross join lateral (
    select tick.tick_at, (select job.state from reseolio.jobs as job where job.id = tick.job_id) as state
    from reseolio.job_ticks as tick
    where tick.schedule_id = given.schedule_id and tick.tick_at is not null and tick.tick_at >= given.from_at
    order by tick.tick_at limit 2048
  ) as look
  group by given.place`;

const RECORD = `insert into reseolio.job_ticks (job_id, schedule_id, tick_at)
  select * from unnest($1::uuid[], $2::uuid[], $3::bigint[]) on conflict do nothing returning job_id`;

const ADVANCE = `update reseolio.schedules as schedule set next_run_at = given.next_run_at,
    last_run_at = coalesce(given.last_run_at, schedule.last_run_at),
    last_job_id = coalesce(given.last_job_id, schedule.last_job_id),
    skipped = schedule.skipped + given.skipped, live_from = given.live_from
  from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[])
    as given (id, next_run_at, last_run_at, last_job_id, skipped, live_from)
  where schedule.id = given.id`;

const TICK_TIMES = `select tick_at from reseolio.job_ticks
  where schedule_id = $1::uuid and tick_at is not null and tick_at between $2::bigint and $3::bigint order by tick_at`;

const PRUNE = `delete from reseolio.schedules where id = any (array(
    select schedule.id from reseolio.schedules as schedule
    where schedule.state = 2 and schedule.updated_at < $1::bigint
      and not exists (select 1 from reseolio.job_ticks as tick where tick.schedule_id = schedule.id)
    order by schedule.updated_at limit $2::int for update skip locked
  ))
  returning id`;

/** The part of one transaction. */
export function scheduleWrites({ runner }: WriteSession, guard: Guard): ScheduleWrites {
  return {
    insert: guard(async (schedule) => (await runner.rows(INSERT, scheduleParams(schedule))).length === 1),
    get: guard(async (name) => {
      const row = (await runner.rows(BY_NAME, [storedText(name)]))[0];
      return row === undefined ? null : scheduleFromRow(row);
    }),
    update: guard(async (schedule) => {
      const [id, , ...params] = scheduleParams(schedule);
      await runner.rows(UPDATE, [id!, ...params]);
    }),
    listDue: guard(async (limit) => (await runner.rows(DUE, [limit])).map(scheduleFromRow)),
    findLiveTicks: guard((looks) => findLiveTicks(runner, looks)),
    recordTicks: guard((ticks) => recordTicks(runner, ticks)),
    advance: guard((advances) => advanceSchedules(runner, advances)),
    prune: guard(async (deletedBefore, limit) => (await runner.rows(PRUNE, [deletedBefore, limit])).length),
    listTickTimes: guard(async (scheduleId, from, to) =>
      (await runner.rows(TICK_TIMES, [scheduleId, from, to])).map((row) => row[0] as number),
    ),
  };
}

async function findLiveTicks(runner: Runner, looks: readonly LiveTickQuery[]): Promise<readonly LiveTick[]> {
  if (looks.length === 0) return [];
  const found = (await runner.rows(LIVE, [
    numberArray(looks.map((_, index) => index)),
    uuidArray(looks.map(({ scheduleId }) => scheduleId)),
    numberArray(looks.map(({ from }) => from)),
  ])) as unknown as readonly (readonly [number, number | null, number | null])[];
  const byIndex = new Map(found.map(([index, live, last]) => [index, { live, last }]));
  return looks.map(({ from }, index) => {
    const { live, last } = byIndex.get(index) ?? { live: null, last: null };
    // Without a live tick the next call starts at the last one: a user may have retried its job.
    return { isLive: live !== null, liveFrom: live ?? last ?? from };
  });
}

async function recordTicks(runner: Runner, ticks: readonly NewTick[]): Promise<readonly boolean[]> {
  if (ticks.length === 0) return [];
  const recorded = await runner.rows(RECORD, [
    uuidArray(ticks.map(({ jobId }) => jobId)),
    uuidArray(ticks.map(({ scheduleId }) => scheduleId)),
    numberArray(ticks.map(({ tickAt }) => tickAt)),
  ]);
  const jobIds = new Set(recorded.map((row) => row[0]));
  return ticks.map(({ jobId }) => jobIds.has(jobId));
}

async function advanceSchedules(runner: Runner, advances: readonly ScheduleAdvance[]): Promise<void> {
  if (advances.length === 0) return;
  await runner.rows(ADVANCE, [
    uuidArray(advances.map(({ scheduleId }) => scheduleId)),
    numberArray(advances.map(({ nextRunAt }) => nextRunAt)),
    numberArray(advances.map(({ lastRun }) => lastRun?.at ?? null)),
    uuidArray(advances.map(({ lastRun }) => lastRun?.jobId ?? null)),
    numberArray(advances.map(({ skipped }) => skipped)),
    numberArray(advances.map(({ liveFrom }) => liveFrom)),
  ]);
}
