import type { Database } from "bun:sqlite";

const FIRST_SIGNAL = `select id, payload from signals
  where job_id = ? and name = ? and taken_by is null order by place limit 1`;

/** A signal that arrives after a wait's timeout does not count for it, even if the timer has not ended the wait yet. */
const FIRST_WAIT = `select wait.name, wait.wakes from wait_details join checkpoints as wait
    on wait.job_id = wait_details.job_id and wait.name = wait_details.name
  where wait_details.job_id = ? and signal_name = ? and wait.recorded_at is null
    and (wait.due_at is null or wait.due_at >= ?)
  order by turn limit 1`;

const TAKE = "update signals set taken_by = ?, payload = null where id = ?";

/** A wait that took a signal, and whether it wakes its job. */
export type TakingWait = readonly [name: string, wakes: number];

/** Ends a wait with what it took. */
type EndWait = (jobId: Uint8Array, name: string, payload: Uint8Array, now: number) => void;

export type TakeSignals = (jobId: Uint8Array, signalName: string, now: number) => readonly TakingWait[];

/** Gives the stored signals of a name to the job's waits for them, the first to the first. */
export function prepareTakeSignals(db: Database, endWait: EndWait): TakeSignals {
  const firstSignal = db.prepare(FIRST_SIGNAL);
  const firstWait = db.prepare(FIRST_WAIT);
  const take = db.prepare(TAKE);
  return (jobId, signalName, now) => {
    const taking: TakingWait[] = [];
    for (;;) {
      const signal = firstSignal.values(jobId, signalName)[0] as [Uint8Array, Uint8Array] | undefined;
      if (signal === undefined) return taking;
      const wait = firstWait.values(jobId, signalName, now)[0] as [string, number] | undefined;
      if (wait === undefined) return taking;
      endWait(jobId, wait[0], signal[1], now);
      take.run(wait[0], signal[0]);
      taking.push(wait);
    }
  };
}
