import { WIRE_LIMITS } from "#proto/contract.ts";
import { DaemonError, type FieldViolation, invalidArgument } from "../../core/errors.ts";
import { checkFunctionName, type JobOptionsInput, resolveJobOptions } from "../../core/job-options.ts";
import type { JobState } from "../../core/job.ts";
import { isUuid, isUuidV7 } from "../../core/uuid.ts";
import type { EnqueueOutcome, NewJob } from "../../storage/seam/jobs.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import { type AloneParts, type AppliedAlone, type Completion, toPromise, type WriteKind } from "../lane/write-kind.ts";

export const enqueueKind: WriteKind<NewJob, EnqueueOutcome> = {
  name: "enqueue",
  readsTimeLate: true,
  apply: storeCalls,
  applyAlone: storeAlone,
};

/** A call as it arrived. */
export interface EnqueueItem {
  /** Also the request ID: a repeated call stores nothing new. Null: the daemon chooses one. */
  readonly jobId: string | null;
  readonly functionName: string;
  readonly args: Uint8Array;
  readonly options: JobOptionsInput;
  readonly parentId: string | null;
}

export type EnqueueResult =
  | {
      readonly ok: true;
      readonly jobId: string;
      readonly deduplicated: boolean;
      readonly argsDiffer: boolean;
      /** State of the existing job, when deduplicated. */
      readonly state: JobState | null;
    }
  | { readonly ok: false; readonly error: DaemonError };

/** Stores a batch, of which each item succeeds or fails on its own. Resolves when the commit is on disk. */
export function enqueueJobs(engine: Engine, items: readonly EnqueueItem[]): Promise<readonly EnqueueResult[]> {
  return toPromise((completion) => submitEnqueues(engine, items, completion));
}

/**
 * Completes on the commit lane itself, so that a session's answers are sent together with the other results of the
 * commit.
 */
export function submitEnqueues(
  engine: Engine,
  items: readonly EnqueueItem[],
  completion: Completion<readonly EnqueueResult[]>,
): void {
  const checked = items.map((item, index) => checkItem(engine, item, index));
  const toStore = checked.filter((one): one is NewJob => !(one instanceof DaemonError));
  if (toStore.length === 0) {
    completion.done(checked.map((error) => ({ ok: false, error: error as DaemonError })));
    return;
  }
  engine.lane.submit(enqueueKind, toStore, {
    done: (outcomes) => completion.done(join(checked, outcomes)),
    failed: (error) => completion.failed(error),
  });
}

function join(
  checked: readonly (NewJob | DaemonError)[],
  outcomes: readonly EnqueueOutcome[],
): readonly EnqueueResult[] {
  let next = 0;
  return checked.map((one) =>
    one instanceof DaemonError ? { ok: false, error: one } : toResult(one, outcomes[next++] as EnqueueOutcome),
  );
}

/** Fast path for jobs without parents that no worker of this daemon can take at once, where the store has one. */
async function storeAlone(
  { store, dispatcher }: AloneParts,
  items: readonly NewJob[],
): Promise<AppliedAlone<EnqueueOutcome> | null> {
  if (store.jobs.insertInOneStatement === undefined || items.some(({ parentId }) => parentId !== null)) return null;
  for (const item of items) if (startsAtOnce(item)) dispatcher.markReady(item.functionName);
  if (dispatcher.hasDemand()) return null;
  const done = await store.jobs.insertInOneStatement(items);
  if (done === null) return null;
  const { now, outcomes } = done;
  for (const [index, item] of items.entries()) dispatcher.onStored(item, isReady(outcomes[index]), now);
  return { at: now, answers: outcomes, stored: items };
}

function startsAtOnce({ options: { runAt, delayMs } }: NewJob): boolean {
  return runAt === null && (delayMs ?? 0) <= 0;
}

function isReady(outcome: EnqueueOutcome | undefined): boolean {
  return outcome?.kind === "stored" && outcome.ready;
}

function checkItem(engine: Engine, item: EnqueueItem, index: number): NewJob | DaemonError {
  const path = `jobs[${index}]`;
  const { options, violations } = resolveJobOptions(item.options, `${path}.options`);
  const all: FieldViolation[] = [
    ...checkFunctionName(item.functionName, `${path}.function_name`),
    ...checkIds(item, path),
    ...violations,
  ];
  if (item.args.byteLength > WIRE_LIMITS.payloadBytes) return argsTooLarge(item, path);
  if (all.length > 0) return invalidArgument(all);
  return {
    jobId: item.jobId ?? engine.newJobId(),
    functionName: item.functionName,
    args: item.args.byteLength === 0 ? NO_ARGS : item.args,
    options,
    parentId: item.parentId,
  };
}

const NO_ARGS = new TextEncoder().encode("[]");

function checkIds(item: EnqueueItem, path: string): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (item.jobId !== null && !isUuidV7(item.jobId)) {
    violations.push({
      field: `${path}.job_id`,
      description: `${JSON.stringify(item.jobId)} is not a lower-case version 7 UUID; leave it empty to have one generated`,
    });
  }
  if (item.parentId !== null && !isUuid(item.parentId)) {
    violations.push({ field: `${path}.parent_id`, description: `${JSON.stringify(item.parentId)} is not a job id` });
  }
  return violations;
}

function argsTooLarge(item: EnqueueItem, path: string): DaemonError {
  const description =
    `are ${item.args.byteLength} bytes long; at most ${WIRE_LIMITS.payloadBytes} are allowed: ` +
    "store the data elsewhere and pass its id";
  return new DaemonError("resource_exhausted", `${path}.args ${description}`, {
    violations: [{ field: `${path}.args`, description }],
    metadata: { field: `${path}.args`, limitBytes: String(WIRE_LIMITS.payloadBytes) },
  });
}

function toResult(item: NewJob, outcome: EnqueueOutcome): EnqueueResult {
  switch (outcome.kind) {
    case "stored":
    case "repeated":
      return { ok: true, jobId: outcome.jobId, deduplicated: false, argsDiffer: false, state: null };
    case "deduplicated":
      return {
        ok: true,
        jobId: outcome.jobId,
        deduplicated: true,
        argsDiffer: outcome.argsDiffer,
        state: outcome.state,
      };
    case "rejected":
      return { ok: false, error: alreadyExists(item, outcome.jobId, outcome.state) };
    case "id_taken":
      return { ok: false, error: idTaken(item, outcome.functionName) };
    case "orphaned":
      return { ok: false, error: orphaned(outcome.parentId, outcome.state) };
  }
}

function alreadyExists(item: NewJob, jobId: string, state: JobState): DaemonError {
  return new DaemonError(
    "already_exists",
    `job ${jobId} (${state}) of ${item.functionName} has the idempotency key ` +
      `${JSON.stringify(item.options.idempotencyKey)} and on_duplicate is reject; use its id, or another key`,
    { metadata: { jobId, state } },
  );
}

function orphaned(parentId: string, state: JobState): DaemonError {
  return new DaemonError(
    "failed_precondition",
    `job ${parentId} is ${state}: its handler can no longer make calls; use step(…, { undo }) to clean up`,
    { metadata: { jobId: parentId, state } },
  );
}

function idTaken(item: NewJob, functionName: string): DaemonError {
  return new DaemonError(
    "already_exists",
    `the job id ${item.jobId} belongs to a job of ${functionName}; choose a new one for each call`,
    { metadata: { jobId: item.jobId, functionName } },
  );
}

/**
 * Stores new jobs, except children of jobs that are CANCELLED or DEAD: nobody would read their results, and the
 * cancellation has already looked for children. A call that was stored before is answered as usual.
 */
async function storeCalls(
  { tx, enqueue }: LaneTransaction,
  items: readonly NewJob[],
): Promise<readonly EnqueueOutcome[]> {
  const ended = await findEnded(tx, items);
  if (ended.size === 0) return enqueue(items);
  const refusals = items.map((item) => refusalOf(item, ended));
  const stored = await enqueue(items.filter((_, index) => refusals[index] === null));
  const found = await tx.jobs.findEnqueued(items.filter((_, index) => refusals[index] !== null));
  let [nextStored, nextFound] = [0, 0];
  return refusals.map((refusal) =>
    refusal === null ? (stored[nextStored++] as EnqueueOutcome) : (found[nextFound++] ?? refusal),
  );
}

/** The refusal of a call; null when it may be stored. */
function refusalOf({ parentId }: NewJob, ended: ReadonlyMap<string, JobState>): EnqueueOutcome | null {
  const id = parentId?.toLowerCase() ?? "";
  const state = ended.get(id);
  return state === undefined ? null : { kind: "orphaned", parentId: id, state };
}

/** Finds parents that are CANCELLED or DEAD. The read locks them until the transaction ends. */
async function findEnded(tx: Transaction, items: readonly NewJob[]): Promise<ReadonlyMap<string, JobState>> {
  const parentIds = new Set(items.flatMap(({ parentId }) => (parentId === null ? [] : [parentId.toLowerCase()])));
  if (parentIds.size === 0) return new Map();
  const parents = await tx.jobs.getMany([...parentIds]);
  const ended = parents.filter(({ state }) => state === "CANCELLED" || state === "DEAD");
  return new Map(ended.map(({ jobId, state }) => [jobId, state]));
}
