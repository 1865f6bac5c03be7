import { isTerminal } from "../../../core/job.ts";
import type { EnqueueOutcome, NewJob } from "../../seam/jobs.ts";
import { STATE_CODES, stateOf } from "../../rows/codes.ts";
import { jobIdBytes, jobIdText } from "../../rows/job-id.ts";
import { INSERT_CHUNK, prepareInsertJobs } from "./insert-jobs.ts";
import type { Row } from "../connection/rows.ts";
import { isReady } from "../../rows/run-at.ts";
import type { WriteSession } from "../session/write-session.ts";

export interface EnqueueJobs {
  store(items: readonly NewJob[]): readonly EnqueueOutcome[];
  /** Null for an item that would be stored. */
  find(items: readonly NewJob[]): readonly (EnqueueOutcome | null)[];
}

export function prepareEnqueueJobs(session: WriteSession): EnqueueJobs {
  const { db, functions, counters } = session;
  const insert = prepareInsertJobs(session);
  const byId = db.prepare("select function_id, state from jobs where id = ?");
  const byKey = db.prepare(
    `select jobs.id, jobs.state, coalesce(jobs.args, large_args.args) from jobs
     left join large_args on large_args.job_id = jobs.id
     where jobs.function_id = ? and jobs.idempotency_key = ?`,
  );
  const releaseKey = db.prepare("update jobs set idempotency_key = null where id = ?");

  /** One after the other: what became of an item may rest on those before it. */
  function enqueue(items: readonly NewJob[], now: number): readonly EnqueueOutcome[] {
    const outcomes: EnqueueOutcome[] = [];
    while (outcomes.length < items.length) {
      if (isChunkAt(items, outcomes.length)) enqueueChunk(items, now, outcomes);
      else outcomes.push(enqueueOne(items[outcomes.length]!, now));
    }
    return outcomes;
  }

  function enqueueChunk(items: readonly NewJob[], now: number, outcomes: EnqueueOutcome[]): void {
    const start = outcomes.length;
    for (const [place, isStored] of insert.chunk(items, start, now).entries()) {
      const item = items[start + place]!;
      outcomes.push(isStored ? storedOutcome(item, now) : whyNotStored(item, now));
    }
  }

  function enqueueOne(item: NewJob, now: number): EnqueueOutcome {
    return insert.one(item, now) ? storedOutcome(item, now) : whyNotStored(item, now);
  }

  function storedOutcome(item: NewJob, now: number): EnqueueOutcome {
    counters.add(functions.idOf(item.functionName), STATE_CODES.PENDING, 1);
    return { kind: "stored", jobId: item.jobId, ready: isReady(item, now) };
  }

  function whyNotStored(item: NewJob, now: number): EnqueueOutcome {
    const found = findOne(item);
    if (found !== null) return found;
    const holder = holderOf(item);
    if (holder === null) throw new Error(`job ${item.jobId} was not stored, yet neither its id nor its key is there`);
    releaseKey.run(holder[0]);
    return enqueueOne(item, now);
  }

  function findOne(item: NewJob): EnqueueOutcome | null {
    return repeatedId(item.jobId, functions.find(item.functionName)) ?? repeatedKey(item);
  }

  function repeatedId(text: string, functionId: number | undefined): EnqueueOutcome | null {
    const id = jobIdBytes(text);
    const row = byId.values(id)[0] as Row | undefined;
    if (row === undefined) return null;
    const [holder, state] = row as [number, number];
    if (holder !== functionId) return { kind: "id_taken", functionName: functions.nameOf(holder) };
    return { kind: "repeated", jobId: jobIdText(id), state: stateOf(state) };
  }

  function holderOf({ functionName, options }: NewJob): readonly [Uint8Array, number, Uint8Array] | null {
    const functionId = functions.find(functionName) ?? null;
    return (byKey.values(functionId, options.idempotencyKey)[0] ?? null) as [Uint8Array, number, Uint8Array] | null;
  }

  /** Null when there is none, or when the item takes the key over. */
  function repeatedKey(item: NewJob): EnqueueOutcome | null {
    const row = holderOf(item);
    if (row === null) return null;
    const [holder, code, args] = row;
    const there = { jobId: jobIdText(holder), state: stateOf(code) };
    const deduplicated = () => {
      return { kind: "deduplicated", ...there, argsDiffer: Buffer.compare(args, item.args) !== 0 } as const;
    };
    switch (item.options.onDuplicate) {
      case "reject":
        return { kind: "rejected", ...there };
      case "return_existing":
        return deduplicated();
      case "replace_finished":
        return isTerminal(there.state) ? null : deduplicated();
    }
  }

  return { store: (items) => enqueue(items, session.now), find: (items) => items.map(findOne) };
}

/** A key can be taken over by a later item, so only items without keys are stored many at once. */
function isChunkAt(items: readonly NewJob[], start: number): boolean {
  if (items.length - start < INSERT_CHUNK) return false;
  for (let place = 0; place < INSERT_CHUNK; place++) {
    if (items[start + place]!.options.idempotencyKey !== null) return false;
  }
  return true;
}
