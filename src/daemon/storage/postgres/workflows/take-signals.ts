import type { NewPark, NewSignal } from "../../seam/workflows.ts";
import { textArray, uuidArray } from "../connection/literals.ts";
import type { WriteSession } from "../session/write-session.ts";
import { END, wakingIds } from "./end-waits.ts";
import { FORGET } from "./wait-details.ts";

/**
 * Gives the stored signals to the job's waits for them, in order. The caller has locked the jobs. A signal that arrives
 * after a wait's timeout does not count for it, even if the timer has not ended the wait yet.
 */
const TAKE_SIGNALS = `with paired as materialized (
    select wait.job_id, wait.name, signal.id, signal.payload
    from unnest($1::uuid[], $2::text[]) as given (job_id, signal_name)
    cross join lateral (
      select detail.job_id, detail.name, row_number() over (order by detail.turn) as rank
      from reseolio.wait_details as detail
      join reseolio.checkpoints as known on known.job_id = detail.job_id and known.name = detail.name
      where detail.job_id = given.job_id and detail.signal_name = given.signal_name and known.recorded_at is null
        and (known.due_at is null or known.due_at >= (select reseolio.now_ms()))
      order by detail.turn limit $3::int
    ) as wait
    cross join lateral (
      select id, payload from reseolio.signals as waiting
      where waiting.job_id = given.job_id and waiting.name = given.signal_name and waiting.taken_by is null
      order by waiting.place offset wait.rank - 1 limit 1
    ) as signal
  ),
  over as materialized (
    select paired.job_id, paired.name, paired.payload, job.lease_token, null::text as error
    from paired join reseolio.jobs as job on job.id = paired.job_id
  ),
  taken as (
    update reseolio.signals as signal
    set taken_by = paired.name, payload = null, was_awaited = signal.id = any ($4::uuid[])
    from paired where signal.id = paired.id
  ),
  ${FORGET}
  ${END}`;

/** A signal's job and name; lists may repeat one. */
type AwaitedSignal = Pick<NewSignal, "jobId" | "name">;

export function signalsAwaitedBy(parks: readonly NewPark[]): readonly AwaitedSignal[] {
  return parks.flatMap(({ jobId, waits }) =>
    waits.flatMap((wait) => (wait.kind === "signal" ? [{ jobId, name: wait.signalName }] : [])),
  );
}

/**
 * Ends the jobs' waits for these signals with the signals that are stored. Sends its statement at once and answers later,
 * with the ids of the jobs that it wakes.
 *
 * @param arriving signals that were sent just now
 */
export async function takeSignals(
  { runner }: WriteSession,
  signals: readonly AwaitedSignal[],
  arriving: readonly string[] = [],
): Promise<readonly string[]> {
  if (signals.length === 0) return [];
  const each = [...new Map(signals.map((one) => [`${one.jobId} ${one.name}`, one])).values()];
  const rows = await runner.rows(TAKE_SIGNALS, [
    uuidArray(each.map(({ jobId }) => jobId)),
    textArray(each.map(({ name }) => name)),
    signals.length,
    uuidArray(arriving),
  ]);
  return wakingIds(rows);
}
