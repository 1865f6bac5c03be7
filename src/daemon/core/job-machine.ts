/**
 * The state machine of a job: pure decisions on a job that was read, which a store applies as one guarded write ("where
 * ID, state and lease token are still these"). A rejected write means that somebody else changed the job first.
 */
import type { FailureMarks } from "./checkpoint.ts";
import {
  type Attempt,
  type AttemptOutcome,
  type ErrorReason,
  isTerminal,
  type Job,
  type JobError,
  type JobState,
} from "./job.ts";
import { retryDelayMs } from "./retry-policy.ts";

/** What happened to a job. */
export type JobEvent =
  /** Its worker reports a result. */
  | { readonly kind: "succeed"; readonly result: Uint8Array }
  /** Its worker reports an error. */
  | {
      readonly kind: "fail";
      readonly error: Omit<JobError, "reason">;
      readonly terminal: boolean;
      readonly retryAfterMs: number | null;
      readonly marks?: FailureMarks | undefined;
    }
  /** Its handler waits: it needs no slot until it is woken. */
  | { readonly kind: "park"; readonly ranMs: number }
  /** Something that it waits for has happened. For `graceMs` only the worker that parked it may claim it. */
  | { readonly kind: "wake"; readonly graceMs: number }
  /**
   * Its worker releases it after a drain or recall, or it could not be delivered and waits for `delayMs`. With a
   * mismatch the handler has started and does not match the job's records; the text says how.
   */
  | { readonly kind: "release"; readonly started: boolean; readonly delayMs?: number; readonly mismatch?: string }
  /** The attempt ran past `timeoutMs`. */
  | { readonly kind: "timeout" }
  /** Its worker vanished. */
  | { readonly kind: "lose" }
  | { readonly kind: "cancel"; readonly reason: "cancelled" | "start_deadline" | "finish_deadline" }
  /** A person makes it run again. A parked job is woken, and its handler asks again for what it waits for. */
  | { readonly kind: "retry" };

/** Events whose outcome depends on the job alone. */
export type UnconditionalEvent =
  | Extract<JobEvent, { kind: "succeed" | "park" | "wake" | "cancel" | "retry" }>
  | (Extract<JobEvent, { kind: "release" }> & { readonly mismatch?: never });

/** The fields that a transition may set; an absent one stays as it is. */
export interface JobChange {
  readonly state: JobState;
  /** For PENDING: earliest start, in milliseconds from the store's present time. */
  readonly runAfterMs?: number;
  readonly result?: Uint8Array;
  readonly error?: JobError | null;
  readonly attempt?: number;
  readonly failures?: number;
  readonly losses?: number;
  /** Revokes the lease: raises the token, so that its holder can no longer write. */
  readonly revokeLease?: true;
  /** Start of the attempt as the daemon saw it. */
  readonly startedAt?: number;
  /** Drops `startBy` and `finishBy`, which do not apply after a retry by a user. */
  readonly clearDeadlines?: true;
  /** Run time of the attempt before it parked; null begins a new attempt. */
  readonly ranMs?: number | null;
  /** For PENDING: keeps `workerId`, the worker with the handler in memory, which may claim the job before `runAt`. */
  readonly keepWorker?: true;
  /** Lets failed steps run again, because a user asked for it. */
  readonly forgetFailures?: true;
  /** What the failure of this attempt does to the job's records. */
  readonly marks?: FailureMarks;
}

/** One guarded write. With a terminal state the store sets `finishedAt` and keeps `workerId` as who ended the job. */
export interface Transition {
  readonly jobId: string;
  readonly functionName: string;
  readonly parentId: string | null;
  /** Number of the job's last execution after the change, for notifications. */
  readonly attempt: number;
  /** Holder of the lease before the change. */
  readonly workerId: string | null;
  readonly expected: { readonly state: JobState; readonly leaseToken: number };
  readonly change: JobChange;
  /** The attempt to record with the change; the store sets `endedAt`. */
  readonly ended: Omit<Attempt, "endedAt"> | null;
}

export interface MachineSettings {
  /** Losses after which a job is DEAD with the reason worker_lost. */
  readonly maxLosses: number;
}

/** The fields of a job that the state machine reads. */
export type JobSnapshot = Pick<
  Job,
  | "jobId"
  | "functionName"
  | "parentId"
  | "state"
  | "leaseToken"
  | "attempt"
  | "failures"
  | "losses"
  | "maxAttempts"
  | "timeoutMs"
  | "backoff"
  | "initialDelayMs"
  | "maxDelayMs"
  | "jitter"
  | "workerId"
  | "startedAt"
  | "ranMs"
>;

/**
 * What an event does to a job when its outcome depends on the job alone; null when the job's state does not allow it.
 */
export function decide(job: JobSnapshot, event: UnconditionalEvent): Transition | null;
/**
 * What an event does to a job, or null when the job's state does not allow it: only a RUNNING job can be settled; a
 * terminal job changes only by retry, and only from DEAD or CANCELLED; retry also wakes a parked job.
 *
 * @param chance a number in [0, 1) for the jitter of a retry delay
 */
export function decide(job: JobSnapshot, event: JobEvent, settings: MachineSettings, chance: number): Transition | null;
/** Unconditional events read neither settings nor chance. */
export function decide(
  job: JobSnapshot,
  event: JobEvent,
  settings: MachineSettings = NO_SETTINGS,
  chance = 0,
): Transition | null {
  switch (event.kind) {
    case "succeed":
      return job.state === "RUNNING" ? succeed(job, event.result) : null;
    case "fail":
      return job.state === "RUNNING" ? fail(job, event, chance) : null;
    case "park":
      return job.state === "RUNNING" ? transition(job, { state: "SUSPENDED", ranMs: event.ranMs }, null) : null;
    case "wake":
      return job.state === "SUSPENDED" ? wake(job, event.graceMs) : null;
    case "release":
      return job.state === "RUNNING" ? release(job, event, chance) : null;
    case "timeout":
      return job.state === "RUNNING" ? timeOut(job, chance) : null;
    case "lose":
      return job.state === "RUNNING" ? lose(job, settings) : null;
    case "cancel":
      return isTerminal(job.state) ? null : cancel(job, event.reason);
    case "retry":
      return retry(job);
  }
}

const NO_SETTINGS: MachineSettings = { maxLosses: 0 };

function succeed(job: JobSnapshot, result: Uint8Array): Transition {
  return transition(job, { state: "SUCCESS", result }, null);
}

function fail(job: JobSnapshot, event: Extract<JobEvent, { kind: "fail" }>, chance: number): Transition {
  const error: JobError = { ...event.error, reason: event.terminal ? "terminal" : "handler" };
  const ended = endedAttempt(job, "failed", error);
  const failures = job.failures + 1;
  const marks = event.marks === undefined ? {} : { marks: event.marks };
  if (event.terminal || failures >= job.maxAttempts) {
    return transition(job, { state: "DEAD", error, failures, ...marks }, ended);
  }
  const runAfterMs = event.retryAfterMs ?? retryDelayMs(job, failures, chance);
  return transition(job, { state: "PENDING", error, failures, runAfterMs, ...newAttempt(job), ...marks }, ended);
}

function timeOut(job: JobSnapshot, chance: number): Transition {
  const error = verdict(
    "timeout",
    "TimeoutError",
    `attempt ${job.attempt} exceeded its time limit of ${job.timeoutMs} ms`,
  );
  const ended = endedAttempt(job, "timeout", error);
  const failures = job.failures + 1;
  if (failures >= job.maxAttempts) {
    return transition(job, { state: "DEAD", error, failures, revokeLease: true }, ended);
  }
  const runAfterMs = retryDelayMs(job, failures, chance);
  return transition(
    job,
    { state: "PENDING", error, failures, runAfterMs, revokeLease: true, ...newAttempt(job) },
    ended,
  );
}

function release(job: JobSnapshot, event: Extract<JobEvent, { kind: "release" }>, chance: number): Transition {
  const { started, delayMs = 0, mismatch } = event;
  if (mismatch !== undefined) return waitForCode(job, mismatch, chance);
  // A job that never started returns its attempt number, so that attempts count executions. A parked job is still in
  // the same attempt, wherever it resumes.
  const attempt = started || job.ranMs !== null ? job.attempt : job.attempt - 1;
  return transition(job, { state: "PENDING", runAfterMs: delayMs, attempt }, null);
}

/** Retries soon, as matching code may be deployed at any time, and then rarely, as it may take days. */
const MISMATCH_POLICY = { backoff: "exponential", initialDelayMs: 1_000, maxDelayMs: 60_000, jitter: 0.1 } as const;

/** Does not count as a failure. Executions that did count do not add to the delay. */
function waitForCode(job: JobSnapshot, message: string, chance: number): Transition {
  const error = verdict("replay_mismatch", "ReplayMismatchError", message);
  const executions = Math.max(1, job.attempt - job.failures - job.losses);
  const runAfterMs = retryDelayMs(MISMATCH_POLICY, executions, chance);
  return transition(job, { state: "PENDING", error, runAfterMs, ranMs: null }, null);
}

function wake(job: JobSnapshot, graceMs: number): Transition {
  if (graceMs <= 0) return transition(job, { state: "PENDING", runAfterMs: 0 }, null);
  return transition(job, { state: "PENDING", runAfterMs: graceMs, keepWorker: true }, null);
}

/** Marks that an attempt which was parked has ended: the next claim begins a new one. */
function newAttempt(job: JobSnapshot): Pick<JobChange, "ranMs"> {
  return job.ranMs === null ? {} : { ranMs: null };
}

function lose(job: JobSnapshot, settings: MachineSettings): Transition {
  const losses = job.losses + 1;
  const worker = job.workerId ?? "unknown";
  const error = verdict("worker_lost", "WorkerLostError", `worker ${worker} vanished during attempt ${job.attempt}`);
  const ended = endedAttempt(job, "lost", error);
  if (losses >= settings.maxLosses) {
    return transition(job, { state: "DEAD", error, losses, revokeLease: true }, ended);
  }
  return transition(
    job,
    { state: "PENDING", error, losses, runAfterMs: 0, revokeLease: true, ...newAttempt(job) },
    ended,
  );
}

function cancel(job: JobSnapshot, reason: "cancelled" | "start_deadline" | "finish_deadline"): Transition {
  const error = verdict(reason, "CancelledError", CANCEL_MESSAGES[reason]);
  const ended = job.state === "RUNNING" ? endedAttempt(job, "cancelled", error) : null;
  return transition(job, { state: "CANCELLED", error, revokeLease: true }, ended);
}

const CANCEL_MESSAGES = {
  cancelled: "cancelled by a caller",
  start_deadline: "cancelled: the job did not start within startWithinMs",
  finish_deadline: "cancelled: the job did not finish within finishWithinMs",
} as const;

function retry(job: JobSnapshot): Transition | null {
  if (job.state === "SUSPENDED") return wake(job, 0);
  if (job.state !== "DEAD" && job.state !== "CANCELLED") return null;
  return transition(
    job,
    {
      state: "PENDING",
      runAfterMs: 0,
      failures: 0,
      losses: 0,
      revokeLease: true,
      clearDeadlines: true,
      ranMs: null,
      forgetFailures: true,
    },
    null,
  );
}

function transition(job: JobSnapshot, change: JobChange, ended: Transition["ended"]): Transition {
  return {
    jobId: job.jobId,
    functionName: job.functionName,
    parentId: job.parentId,
    attempt: change.attempt ?? job.attempt,
    workerId: job.workerId,
    expected: { state: job.state, leaseToken: job.leaseToken },
    change: job.state === "RUNNING" && job.startedAt !== null ? { ...change, startedAt: job.startedAt } : change,
    ended,
  };
}

function endedAttempt(job: JobSnapshot, outcome: AttemptOutcome, error: JobError): Transition["ended"] {
  return {
    jobId: job.jobId,
    attempt: job.attempt,
    workerId: job.workerId,
    startedAt: job.startedAt ?? 0,
    outcome,
    error,
  };
}

function verdict(reason: ErrorReason, name: string, message: string): JobError {
  return { name, message, reason };
}
