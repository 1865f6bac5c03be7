import type { Transition } from "../../core/job-machine.ts";
import { isTerminal, type Job, type JobError, type JobState } from "../../core/job.ts";
import type { ClaimedJobs, JobFilter } from "../../storage/seam/jobs.ts";
import type { StoredJob } from "../../storage/seam/workflows.ts";

/** One change of a job's state, published after its commit. */
export interface CommittedChange {
  readonly jobId: string;
  readonly functionName: string;
  readonly state: JobState;
  readonly attempt: number;
  readonly at: number;
  /** The error of the failed attempt, or of the job's end. */
  readonly error: JobError | null;
  /** Only with SUCCESS. */
  readonly result: Uint8Array | null;
  readonly parentId: string | null;
}

export type ChangeListener = (changes: readonly CommittedChange[]) => void;

/** The end of a job, as those who await it see it. */
export interface JobEnd {
  readonly jobId: string;
  readonly state: JobState;
  readonly result: Uint8Array | null;
  readonly error: JobError | null;
}

/** Receives the end, or null when the job is gone. */
export type EndCallback = (end: JobEnd | null) => void;

interface Watcher {
  readonly filter: JobFilter;
  readonly listener: ChangeListener;
  readonly onGap: () => void;
}

/** Changes that other daemons commit. */
export interface RemoteChanges {
  /** Starts or stops passing them to the feed; resolves when other daemons know. */
  want(isWanted: boolean): Promise<void>;
}

/** Publishes committed changes inside this process: to those who await one job, and to those who watch many. */
export class ChangeFeed {
  readonly #watchers = new Set<Watcher>();
  readonly #awaiters = new Map<string, Set<EndCallback>>();
  #remote: RemoteChanges | null = null;

  /** Whether anybody watches: if not, the commit lane need not describe changes that only watchers see. */
  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  publish(changes: readonly CommittedChange[]): void {
    for (const change of changes) if (isTerminal(change.state)) this.notifyEnd(change.jobId, change);
    this.notifyWatchers(changes);
  }

  /** Publishes what another daemon committed. Those who await an end learn of it elsewhere, by `notifyEnd`. */
  notifyWatchers(changes: readonly CommittedChange[]): void {
    for (const watcher of this.#watchers) {
      const matching = changes.filter((change) => matchesFilter(change, watcher.filter));
      if (matching.length > 0) watcher.listener(matching);
    }
  }

  /** Changes by other daemons were lost. */
  notifyGap(): void {
    for (const watcher of this.#watchers) watcher.onGap();
  }

  isAwaited(jobId: string): boolean {
    return this.#awaiters.has(jobId);
  }

  get awaitedJobIds(): readonly string[] {
    return [...this.#awaiters.keys()];
  }

  /** Calls `listener` once, at the job's next end. Register before you read the store, so that no end is missed. */
  onceEnded(jobId: string, listener: EndCallback): () => void {
    let listeners = this.#awaiters.get(jobId);
    if (listeners === undefined) this.#awaiters.set(jobId, (listeners = new Set()));
    listeners.add(listener);
    return () => this.#forget(jobId, listener);
  }

  watch(watcher: Watcher): { readonly ready: Promise<void>; stop(): void } {
    this.#watchers.add(watcher);
    return {
      ready: this.#wantRemote(true),
      stop: () => {
        // If this fails, the next renewal says the same.
        if (this.#watchers.delete(watcher) && !this.isWatched) this.#wantRemote(false).catch(() => {});
      },
    };
  }

  /** Notifies those who await the job, and forgets them. Null: the job is gone. */
  notifyEnd(jobId: string, end: JobEnd | null): void {
    const listeners = this.#awaiters.get(jobId);
    if (listeners === undefined) return;
    this.#awaiters.delete(jobId);
    for (const listener of listeners) listener(end);
  }

  /** While somebody watches, asks for the changes of other daemons too. */
  follow(remote: RemoteChanges): void {
    this.#remote = remote;
  }

  async #wantRemote(isWanted: boolean): Promise<void> {
    await this.#remote?.want(isWanted);
  }

  #forget(jobId: string, listener: EndCallback): void {
    const listeners = this.#awaiters.get(jobId);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#awaiters.delete(jobId);
  }
}

/** Ignores the filter's fields that a change does not carry: key, schedule, creation time. */
function matchesFilter(change: CommittedChange, filter: JobFilter): boolean {
  return (
    includes(filter.jobIds, change.jobId) &&
    includes(filter.states, change.state) &&
    includes(filter.functionNames, change.functionName) &&
    (filter.parentId === undefined || filter.parentId === change.parentId)
  );
}

function includes<T>(wanted: readonly T[] | undefined, value: T): boolean {
  return wanted === undefined || wanted.length === 0 || wanted.includes(value);
}

/** What one transaction did. */
export interface Committed {
  readonly at: number;
  /** Answers to the items, by the position of their kind in the lane's list. */
  readonly answers: readonly (readonly unknown[])[];
  /** Jobs that are new. */
  readonly stored: readonly StoredJob[];
  readonly applied: readonly Transition[];
  readonly resumed: readonly ClaimedJobs[];
  readonly claimed: readonly ClaimedJobs[];
}

/** The changes to publish: new and claimed jobs matter to watchers only, transitions also to those who await an end. */
export function toChanges(committed: Committed, isWatched: boolean): readonly CommittedChange[] {
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
