import type { Database } from "bun:sqlite";
import { type IdConflict, judgeId, judgeKey, type KeyConflict } from "../../../core/enqueue-conflict.ts";
import { STATE_CODES, stateOf } from "../../rows/codes.ts";
import { jobIdBytes, jobIdText } from "../../rows/job-id.ts";
import { isReady } from "../../rows/run-at.ts";
import type { EnqueueOutcome, NewJob } from "../../seam/jobs.ts";
import type { Row } from "../connection/rows.ts";
import type { FunctionNames } from "../session/function-names.ts";
import type { WriteSession } from "../session/write-session.ts";
import { INSERT_CHUNK, prepareInsertJobs } from "./insert-jobs.ts";

const BY_ID = "select function_id, state from jobs where id = ?";

const BY_KEY = `select jobs.id, jobs.state, coalesce(jobs.args, large_args.args) from jobs
  left join large_args on large_args.job_id = jobs.id
  where jobs.function_id = ? and jobs.idempotency_key = ?`;

const RELEASE_KEY = "update jobs set idempotency_key = null where id = ?";

export interface EnqueueJobs {
  store(items: readonly NewJob[]): readonly EnqueueOutcome[];
  /** Null for an item that would be stored. */
  find(items: readonly NewJob[]): readonly (EnqueueOutcome | null)[];
}

export function prepareEnqueueJobs(session: WriteSession): EnqueueJobs {
  const { db, functions, counters } = session;
  const insert = prepareInsertJobs(session);
  const obstacles = prepareObstacles(db, functions);
  const releaseKey = db.prepare(RELEASE_KEY);

  /** One after the other: the outcome of an item may depend on those before it. */
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
    for (const [index, isStored] of insert.chunk(items, start, now).entries()) {
      const item = items[start + index]!;
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
    const found = obstacles.find(item);
    if (found !== null) return found;
    const holder = obstacles.keyHolder(item);
    if (holder === null) throw new Error(`job ${item.jobId} was not stored, yet neither its id nor its key is there`);
    releaseKey.run(holder[0]);
    return enqueueOne(item, now);
  }

  return {
    store: (items) => enqueue(items, session.now),
    find: (items) => items.map((item) => obstacles.find(item)),
  };
}

/** id, state, args. */
type KeyHolderRow = readonly [Uint8Array, number, Uint8Array];

/** Jobs that have the id or the key of an item. */
function prepareObstacles(db: Database, functions: FunctionNames) {
  const byId = db.prepare(BY_ID);
  const byKey = db.prepare(BY_KEY);

  function idConflict({ jobId, functionName }: NewJob): IdConflict | null {
    const id = jobIdBytes(jobId);
    const row = byId.values(id)[0] as Row | undefined;
    if (row === undefined) return null;
    const [functionId, state] = row as [number, number];
    const holder = { jobId: jobIdText(id), state: stateOf(state), functionName: functions.nameOf(functionId) };
    return judgeId(functionName, holder);
  }

  function keyHolder({ functionName, options }: NewJob): KeyHolderRow | null {
    const functionId = functions.find(functionName) ?? null;
    return (byKey.values(functionId, options.idempotencyKey)[0] ?? null) as KeyHolderRow | null;
  }

  /** Null when there is none, or when the item takes the key over. */
  function keyConflict(item: NewJob): KeyConflict | null {
    const row = keyHolder(item);
    if (row === null) return null;
    const [id, state, args] = row;
    const argsDiffer = Buffer.compare(args, item.args) !== 0;
    return judgeKey(item.options.onDuplicate, { jobId: jobIdText(id), state: stateOf(state), argsDiffer });
  }

  return {
    keyHolder,
    find: (item: NewJob): EnqueueOutcome | null => idConflict(item) ?? keyConflict(item),
  };
}

/** A key can be taken over by a later item, so only items without keys are stored many at once. */
function isChunkAt(items: readonly NewJob[], start: number): boolean {
  if (items.length - start < INSERT_CHUNK) return false;
  for (let index = 0; index < INSERT_CHUNK; index++) {
    if (items[start + index]!.options.idempotencyKey !== null) return false;
  }
  return true;
}
