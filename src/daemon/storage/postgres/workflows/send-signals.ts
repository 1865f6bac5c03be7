import { SIGNAL_LIMITS } from "../../../core/signal.ts";
import { isJobId } from "../../rows/job-id.ts";
import { stateOf } from "../../rows/job-rows.ts";
import type { NewSignal, SentSignals, SignalOutcome } from "../../seam/workflows.ts";
import { bytesArray, numberArray, readText, textArray, uuidArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";
import { distinctIds } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { takeSignals } from "./take-signals.ts";
import { findParked } from "./waits.ts";

/** Sending and parking both hold the row of the job, so that of a wait and a signal the later one sees the other. */
const LOCK_JOBS = "select id, state from reseolio.jobs where id = any ($1::uuid[]) order by id for no key update";

/** Counts waiting signals only for jobs that got at least the limit in all. */
const INSERT = `with given as materialized (
    select given.id, given.job_id, given.name, given.payload,
      row_number() over (partition by given.job_id order by given.place) as rank
    from unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[]) as given (place, id, job_id, name, payload)
    join reseolio.jobs as job on job.id = given.job_id and job.state < 3
    where not exists (select 1 from reseolio.signals as known where known.id = given.id)
  ),
  filled as (
    select job_id, max(rank) as added,
      coalesce((select max(place) from reseolio.signals as known where known.job_id = given.job_id), 0) as last
    from given group by job_id
  ),
  boxes as materialized (
    select job_id, last, case when last + added > ${SIGNAL_LIMITS.waitingPerJob} then (
      select count(*) from reseolio.signals as known where known.job_id = filled.job_id and known.taken_by is null
    ) else 0 end as waiting
    from filled
  )
  insert into reseolio.signals (id, job_id, place, name, sent_at, payload)
  select given.id, given.job_id, boxes.last + given.rank, given.name, (select reseolio.now_ms()), given.payload
  from given join boxes on boxes.job_id = given.job_id
  where boxes.waiting + given.rank <= ${SIGNAL_LIMITS.waitingPerJob}
    or boxes.last + given.rank <= ${SIGNAL_LIMITS.waitingPerJob}
  on conflict (id) do nothing`;

const KNOWN = "select id, job_id, was_awaited from reseolio.signals where id = any ($1::uuid[])";
const COUNT = `select name, count(*)::int from reseolio.signals
  where job_id = $1::uuid and taken_by is null group by name order by name`;

/** How many signals of each name the job has not taken yet. */
export async function countSignals(reads: Runner, jobId: string): Promise<ReadonlyMap<string, number>> {
  if (!isJobId(jobId)) return new Map();
  const rows = (await reads.rows(COUNT, [jobId])) as readonly (readonly [string, number])[];
  return new Map(rows.map(([name, count]) => [readText(name), count]));
}

/** Four statements, sent at once, for any number of signals. */
export async function sendSignals(session: WriteSession, items: readonly NewSignal[]): Promise<SentSignals> {
  const { runner } = session;
  const sound = items.filter(({ signalId, jobId }) => isJobId(signalId) && isJobId(jobId));
  const ids = distinctIds(sound.map(({ signalId }) => signalId));
  const [jobs, , waking, known] = await Promise.all([
    runner.rows(LOCK_JOBS, [uuidArray(distinctIds(sound.map(({ jobId }) => jobId)))]),
    runner.rows(INSERT, [
      numberArray(sound.map((_, index) => index)),
      uuidArray(sound.map(({ signalId }) => signalId)),
      uuidArray(sound.map(({ jobId }) => jobId)),
      textArray(sound.map(({ name }) => name)),
      bytesArray(sound.map(({ payload }) => payload)),
    ]),
    takeSignals(session, sound, ids),
    runner.rows(KNOWN, [uuidArray(ids)]),
  ]);
  const states = new Map(jobs as readonly (readonly [string, number])[]);
  const sent = new Map(
    (known as readonly (readonly [string, string, boolean])[]).map(([id, jobId, taken]) => [id, { jobId, taken }]),
  );
  return {
    outcomes: items.map(({ signalId, jobId }) =>
      outcomeOf(jobId.toLowerCase(), sent.get(signalId.toLowerCase()), states),
    ),
    woken: await findParked(session, waking),
  };
}

function outcomeOf(
  jobId: string,
  sent: { readonly jobId: string; readonly taken: boolean } | undefined,
  states: ReadonlyMap<string, number>,
): SignalOutcome {
  if (sent !== undefined) {
    return sent.jobId === jobId ? { kind: "sent", taken: sent.taken } : { kind: "id_taken", jobId: sent.jobId };
  }
  const state = states.get(jobId);
  if (state === undefined) return { kind: "unknown_job" };
  return state >= 3 ? { kind: "ended", state: stateOf(state) } : { kind: "full" };
}
