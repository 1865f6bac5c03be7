import type { NewWait } from "../../../core/checkpoint.ts";
import type { NewPark } from "../../seam/workflows.ts";
import { booleanArray, numberArray, textArray, uuidArray } from "../connection/literals.ts";
import type { WriteSession } from "../session/write-session.ts";

/** Runs before the statement that registers the waits: a known wait keeps what it waits for. */
const NOTE = `insert into reseolio.wait_details (job_id, name, since_start, signal_name, turn)
  select given.job_id, given.name, given.since_start, given.signal_name, case when given.signal_name is not null then
    coalesce((
      select max(turn) from reseolio.wait_details as known
      where known.job_id = given.job_id and known.signal_name = given.signal_name
    ), 0) + row_number() over (partition by given.job_id, given.signal_name order by given.place)
  end
  from unnest($1::int[], $2::uuid[], $3::text[], $4::bool[], $5::text[])
    as given (place, job_id, name, since_start, signal_name)
  where not exists (
    select 1 from reseolio.checkpoints as known where known.job_id = given.job_id and known.name = given.name
  )
  on conflict (job_id, name) do update
  set since_start = excluded.since_start, signal_name = excluded.signal_name, turn = excluded.turn`;

/**
 * Joined as `detail` to a wait `given` and its job `job`, in SQL: since when an event counts for the wait; null for any
 * time. A job that is there has begun by now, whatever the clock said then.
 */
export const SINCE = "case when detail.since_start then least(job.created_at, (select reseolio.now_ms())) end";
export const JOIN_DETAILS = `left join reseolio.wait_details as detail
      on detail.job_id = given.job_id and detail.name = given.name`;

/** A common table expression for statements that end the waits in `over`. */
export const FORGET = `forgotten as (
    delete from reseolio.wait_details as detail using over
    where detail.job_id = over.job_id and detail.name = over.name
  )`;

/** Stores the details that only few waits have. */
export function insertDetails({ runner }: WriteSession, parks: readonly NewPark[]): Promise<unknown> {
  const special = parks.flatMap(({ jobId, waits }) =>
    waits.filter(isSpecial).map((wait) => {
      return { jobId, name: wait.name, signalName: wait.kind === "signal" ? wait.signalName : null };
    }),
  );
  if (special.length === 0) return Promise.resolve();
  return runner.rows(NOTE, [
    numberArray(special.map((_, index) => index)),
    uuidArray(special.map(({ jobId }) => jobId)),
    textArray(special.map(({ name }) => name)),
    booleanArray(special.map(({ signalName }) => signalName === null)),
    textArray(special.map(({ signalName }) => signalName)),
  ]);
}

function isSpecial(wait: NewWait): boolean {
  return wait.kind === "signal" || (wait.kind === "event" && wait.sinceStart === true);
}
