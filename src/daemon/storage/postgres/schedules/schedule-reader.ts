import type { JobTick, ScheduleStatus } from "../../../core/schedule.ts";
import type { Guard } from "../../guard.ts";
import { SCHEDULE_STATE_CODES } from "../../rows/job-rows.ts";
import type { NextTick, SchedulePage, ScheduleQuery, ScheduleReads } from "../../seam/schedules.ts";
import { numberArray, readText, storedText, uuidArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";
import { distinctIds } from "../session/job-reader.ts";
import { LISTED_COLUMNS, STATUS_COLUMNS, statusFromRow } from "./schedule-rows.ts";

const FROM = "from reseolio.schedules as schedule left join reseolio.jobs as job on job.id = schedule.last_job_id";
const MATCHES = `schedule.state = any ($1::smallint[]) and ($2::text is null or schedule.function_name = $2::text)`;
const BY_NAME = `select ${STATUS_COLUMNS} ${FROM} where schedule.name = $1 and schedule.state < 2`;
const PAGE = `select ${LISTED_COLUMNS} ${FROM}
  where ${MATCHES} and (schedule.name, schedule.id) > ($3::text collate "C", $4::uuid)
  order by schedule.name, schedule.id limit $5::int`;
const COUNT = `select count(*)::int from reseolio.schedules as schedule where ${MATCHES}`;
const NEXT = `select reseolio.now_ms(),
  (select next_run_at from reseolio.schedules where next_run_at is not null order by next_run_at limit 1)`;
const TICKS = `select tick.job_id, schedule.name, tick.tick_at from reseolio.job_ticks as tick
  join reseolio.schedules as schedule on schedule.id = tick.schedule_id where tick.job_id = any ($1::uuid[])`;
const IDS = "select id from reseolio.schedules where name = $1";

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** Reads schedules, and the ticks that their jobs belong to. */
export class ScheduleReader {
  readonly #runner: Runner;

  constructor(runner: Runner) {
    this.#runner = runner;
  }

  async get(name: string): Promise<ScheduleStatus | null> {
    const row = (await this.#runner.rows(BY_NAME, [storedText(name)]))[0];
    return row === undefined ? null : statusFromRow(row);
  }

  async list({ states, functionName, limit, after }: ScheduleQuery): Promise<SchedulePage> {
    const codes = numberArray(states.map((state) => SCHEDULE_STATE_CODES[state]));
    const matches = [codes, functionName === null ? null : storedText(functionName)] as const;
    const cursor = [storedText(after?.name ?? ""), after?.scheduleId ?? FIRST_ID] as const;
    const [rows, counted] = await Promise.all([
      this.#runner.rows(PAGE, [...matches, ...cursor, limit + 1]),
      this.#runner.rows(COUNT, matches),
    ]);
    const schedules = rows.slice(0, limit).map(statusFromRow);
    const last = rows.length > limit ? schedules.at(-1)!.schedule : null;
    const next = last === null ? null : { name: last.name, scheduleId: last.scheduleId };
    return { schedules, next, total: counted[0]![0] as number };
  }

  async nextTick(): Promise<NextTick> {
    const [now, nextRunAt] = (await this.#runner.rows(NEXT))[0] as unknown as [number, number | null];
    return { now, nextRunAt };
  }

  async ticksOf(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobTick>> {
    const ids = distinctIds(jobIds);
    if (ids.length === 0) return new Map();
    const rows = (await this.#runner.rows(TICKS, [uuidArray(ids)])) as unknown as [string, string, number | null][];
    return new Map(rows.map(([jobId, name, tickAt]) => [jobId, { scheduleName: readText(name), tickAt }]));
  }

  /** Ids of all schedules that have or had the name. */
  async idsOf(name: string): Promise<readonly string[]> {
    return (await this.#runner.rows(IDS, [storedText(name)])).map((row) => row[0] as string);
  }
}

export function scheduleReads(reader: ScheduleReader, guard: Guard): ScheduleReads {
  return {
    get: guard((name) => reader.get(name)),
    list: guard((query) => reader.list(query)),
    nextTick: guard(() => reader.nextTick()),
    listTicks: guard((jobIds) => reader.ticksOf(jobIds)),
  };
}
