import type { Transition } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import { isTerminal } from "../../core/job.ts";
import type { ClaimedJobs, EnqueueOutcome } from "../../storage/seam/jobs.ts";
import type { EmitOutcome } from "../../storage/seam/events.ts";
import type { RecordOutcome, SignalOutcome, StoredJob } from "../../storage/seam/workflows.ts";
import type { CommittedChange } from "./change-feed.ts";
import type { ParkOutcome } from "../workflows/park-jobs.ts";

/** What one transaction did, told after its commit. */
export interface Committed {
  readonly at: number;
  readonly enqueued: readonly EnqueueOutcome[];
  readonly recorded: readonly RecordOutcome[];
  readonly settled: readonly boolean[];
  readonly parked: readonly ParkOutcome[];
  readonly emitted: readonly EmitOutcome[];
  readonly signalled: readonly SignalOutcome[];
  readonly worked: readonly unknown[];
  /** Jobs that are new. */
  readonly stored: readonly StoredJob[];
  readonly applied: readonly Transition[];
  readonly resumed: readonly ClaimedJobs[];
  readonly claimed: readonly ClaimedJobs[];
}

/** New and claimed jobs are of interest to watchers only; transitions also to those who await an end. */
export function describeChanges(committed: Committed, isWatched: boolean): readonly CommittedChange[] {
  const { at } = committed;
  const changes: CommittedChange[] = [];
  for (const transition of committed.applied) {
    if (isWatched || isTerminal(transition.change.state)) changes.push(describeTransition(transition, at));
  }
  if (!isWatched) return changes;
  const stored = committed.stored.map((item) => describeStored(item, at));
  const leased = [...committed.resumed, ...committed.claimed];
  const claimed = leased.flatMap(({ jobs }) => jobs.map((job) => describeClaimed(job, at)));
  return [...stored, ...changes, ...claimed];
}

function describeStored(item: StoredJob, at: number): CommittedChange {
  const { jobId, functionName, parentId } = item;
  return { jobId, functionName, parentId, state: "PENDING", attempt: 0, at, error: null, result: null };
}

function describeClaimed(job: Job, at: number): CommittedChange {
  const { jobId, functionName, parentId, state, attempt } = job;
  return { jobId, functionName, parentId, state, attempt, at, error: null, result: null };
}

function describeTransition(transition: Transition, at: number): CommittedChange {
  const { jobId, functionName, change } = transition;
  return {
    jobId,
    functionName,
    parentId: transition.parentId,
    state: change.state,
    attempt: transition.attempt,
    at,
    error: change.error ?? null,
    result: change.result ?? null,
  };
}
