import type { Database } from "bun:sqlite";
import { SIGNAL_LIMITS } from "../../../core/signal.ts";
import { jobIdText, writeJobId } from "../../rows/job-id.ts";
import { stateOf } from "../../rows/job-rows.ts";
import type { NewSignal, ParkedJob, SentSignals, SignalOutcome } from "../../seam/workflows.ts";
import type { Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";
import type { Waits } from "./waits.ts";

const COUNT = "select name, count(*) from signals where job_id = ? and taken_by is null group by name order by name";

const KNOWN = "select job_id, was_awaited from signals where id = ?";

const STATE = "select state from jobs where id = ?";

const LAST = "select place from signals where job_id = ? order by place desc limit 1";

const COUNT_WAITING = "select count(*) from signals where job_id = ? and taken_by is null";

const INSERT = "insert into signals (id, job_id, place, name, sent_at, payload) values (?, ?, ?, ?, ?, ?)";

const SET_AWAITED = "update signals set was_awaited = 1 where id = ? and taken_by is not null";

export type SendSignals = (items: readonly NewSignal[]) => SentSignals;

export function prepareSignalReader(db: Database): (jobId: string) => ReadonlyMap<string, number> {
  const counts = db.prepare(COUNT);
  const id = new Uint8Array(16);
  return (jobId) => (writeJobId(jobId, id) ? new Map(counts.values(id) as [string, number][]) : new Map());
}

export function prepareSendSignals(session: WriteSession, waits: Waits): SendSignals {
  const { db } = session;
  const known = db.prepare(KNOWN);
  const stateAt = db.prepare(STATE);
  const last = db.prepare(LAST);
  const countWaiting = db.prepare(COUNT_WAITING);
  const insert = db.prepare(INSERT);
  const setAwaited = db.prepare(SET_AWAITED);
  const id = new Uint8Array(16);
  const signalId = new Uint8Array(16);

  function sendOne(item: NewSignal, now: number, woken: ParkedJob[]): SignalOutcome {
    if (!writeJobId(item.jobId, id) || !writeJobId(item.signalId, signalId)) return { kind: "unknown_job" };
    const earlier = known.values(signalId)[0] as [Uint8Array, number] | undefined;
    if (earlier !== undefined) return outcomeOf(earlier);
    const state = stateAt.values(id)[0] as [number] | undefined;
    if (state === undefined) return { kind: "unknown_job" };
    if (state[0] >= 3) return { kind: "ended", state: stateOf(state[0]) };
    const place = 1 + (((last.values(id)[0] as Row | undefined)?.[0] as number | undefined) ?? 0);
    if (isFull(place)) return { kind: "full" };
    insert.run(signalId, id, place, item.name, now, item.payload);
    woken.push(...waits.takeSignals(id, item.name, now));
    return { kind: "sent", taken: setAwaited.run(signalId).changes === 1 };
  }

  function outcomeOf([jobId, wasAwaited]: readonly [Uint8Array, number]): SignalOutcome {
    if (Buffer.compare(jobId, id) !== 0) return { kind: "id_taken", jobId: jobIdText(jobId) };
    return { kind: "sent", taken: wasAwaited === 1 };
  }

  /** Counts only when the job got more than the limit in all. */
  function isFull(place: number): boolean {
    if (place <= SIGNAL_LIMITS.waitingPerJob) return false;
    return ((countWaiting.values(id)[0] as Row)[0] as number) >= SIGNAL_LIMITS.waitingPerJob;
  }

  return (items) => {
    const woken: ParkedJob[] = [];
    return { outcomes: items.map((item) => sendOne(item, session.now, woken)), woken };
  };
}
