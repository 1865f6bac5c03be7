import type { Database } from "bun:sqlite";
import type { JobTick, ScheduleStatus } from "../../../core/schedule.ts";
import type { Guard } from "../../guard.ts";
import { jobIdBytes, writeJobId } from "../../rows/job-id.ts";
import { SCHEDULE_STATE_CODES } from "../../rows/job-rows.ts";
import type { SchedulePage, ScheduleQuery, ScheduleReads } from "../../seam/schedules.ts";
import type { Row } from "../connection/rows.ts";
import { LISTED_COLUMNS, STATUS_COLUMNS, statusFromRow } from "./schedule-rows.ts";

const FROM = "from schedules left join jobs on jobs.id = schedules.last_job_id";

const MATCHES = `schedules.state in (select value from json_each($states))
  and ($functionName is null or function_name = $functionName)`;

const BY_NAME = `select ${STATUS_COLUMNS} ${FROM} where schedules.name = ? and schedules.state < 2`;

const PAGE = `select ${LISTED_COLUMNS} ${FROM}
  where ${MATCHES} and (schedules.name, schedules.id) > ($afterName, $afterId)
  order by schedules.name, schedules.id limit ($limit + 0)`;

const COUNT = `select count(*) from schedules where ${MATCHES}`;

const NEXT = "select next_run_at from schedules where next_run_at is not null order by next_run_at limit 1";

const TICK = `select schedules.name, job_ticks.tick_at from job_ticks
  join schedules on schedules.id = job_ticks.schedule_id where job_ticks.job_id = ?`;

const IDS = "select id from schedules where name = ?";

/** Reads schedules, and the ticks that their jobs belong to. */
export class ScheduleReader {
  readonly #byName;
  readonly #page;
  readonly #count;
  readonly #next;
  readonly #tick;
  readonly #ids;
  readonly #jobId = new Uint8Array(16);

  constructor(db: Database) {
    this.#byName = db.prepare(BY_NAME);
    this.#page = db.prepare(PAGE);
    this.#count = db.prepare(COUNT);
    this.#next = db.prepare(NEXT);
    this.#tick = db.prepare(TICK);
    this.#ids = db.prepare(IDS);
  }

  get(name: string): ScheduleStatus | null {
    const row = this.#byName.values(name)[0] as Row | undefined;
    return row === undefined ? null : statusFromRow(row);
  }

  list({ states, functionName, limit, after }: ScheduleQuery): SchedulePage {
    const codes = JSON.stringify(states.map((state) => SCHEDULE_STATE_CODES[state]));
    const matches = { $states: codes, $functionName: functionName };
    const afterId = after === null ? new Uint8Array(0) : jobIdBytes(after.scheduleId);
    const page = { ...matches, $afterName: after?.name ?? "", $afterId: afterId, $limit: limit + 1 };
    const rows = this.#page.values(page) as Row[];
    const schedules = rows.slice(0, limit).map(statusFromRow);
    const last = rows.length > limit ? schedules.at(-1)!.schedule : null;
    const next = last === null ? null : { name: last.name, scheduleId: last.scheduleId };
    return { schedules, next, total: (this.#count.values(matches)[0] as Row)[0] as number };
  }

  nextRunAt(): number | null {
    return ((this.#next.values()[0] as Row | undefined)?.[0] as number | undefined) ?? null;
  }

  ticksOf(jobIds: readonly string[]): ReadonlyMap<string, JobTick> {
    const ticks = new Map<string, JobTick>();
    for (const jobId of jobIds) {
      if (!writeJobId(jobId, this.#jobId)) continue;
      const row = this.#tick.values(this.#jobId)[0] as Row | undefined;
      if (row !== undefined) ticks.set(jobId, { scheduleName: row[0] as string, tickAt: row[1] as number | null });
    }
    return ticks;
  }

  /** Ids of all schedules that have or had the name. */
  idsOf(name: string): readonly Uint8Array[] {
    return (this.#ids.values(name) as Row[]).map((row) => row[0] as Uint8Array);
  }

  /** The name of the schedule that enqueued a job; null when none did. */
  nameOf(jobId: string): string | null {
    return this.ticksOf([jobId]).get(jobId)?.scheduleName ?? null;
  }
}

/** @param now the store's time */
export function prepareScheduleReads(reader: ScheduleReader, now: () => number, guard: Guard): ScheduleReads {
  return {
    get: guard((name) => reader.get(name)),
    list: guard((query) => reader.list(query)),
    nextTick: guard(() => ({ now: now(), nextRunAt: reader.nextRunAt() })),
    listTicks: guard((jobIds) => reader.ticksOf(jobIds)),
  };
}
