/**
 * The state machine of a job: pure decisions on a job that was read, applied by a store as one guarded write
 * ("where id, state and lease token are still these"). A rejected write means that somebody else moved the job first.
 */
import type { FailureMarks } from "./checkpoint.ts";
import type { Attempt, AttemptOutcome, ErrorReason, Job, JobError, JobState } from "./job.ts";
import { isTerminal } from "./job.ts";
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
  /** Something that it waits for has happened. With a grace it is kept that long for the worker that parked it. */
  | { readonly kind: "wake"; readonly graceMs: number }
  /**
   * Its worker hands it back, on drain or recall; or it could not be delivered, and waits a while. With a mismatch its
   * handler, which has started, does not fit what the job has recorded: the text says how.
   */
  | { readonly kind: "release"; readonly started: boolean; readonly delayMs?: number; readonly mismatch?: string }
  /** The attempt ran past `timeoutMs`. */
  | { readonly kind: "timeout" }
  /** Its worker vanished. */
  | { readonly kind: "lose" }
  | { readonly kind: "cancel"; readonly reason: "cancelled" | "start_deadline" | "finish_deadline" }
  /** A person makes it run again. One that is parked is woken: its handler asks again for what it waits for. */
  | { readonly kind: "retry" };

/** Events whose outcome depends on the job alone. */
export type UnconditionalEvent =
  | Extract<JobEvent, { kind: "succeed" | "park" | "wake" | "cancel" | "retry" }>
  | (Extract<JobEvent, { kind: "release" }> & { readonly mismatch?: never });

/** The fields that a transition may set; an absent one stays as it is. */
export interface JobChange {
  readonly state: JobState;
  /** For PENDING: earliest start, counted from the store's now. */
  readonly runAfterMs?: number;
  readonly result?: Uint8Array;
  readonly error?: JobError | null;
  readonly attempt?: number;
  readonly failures?: number;
  readonly losses?: number;
  /** Take the lease back: raise the token, so that whoever holds it can write no more. */
  readonly revokeLease?: true;
  /** Start of the attempt as the daemon saw it. */
  readonly startedAt?: number;
  /** Drop `startBy` and `finishBy`, which a retry by a person outlives. */
  readonly clearDeadlines?: true;
  /** How long the attempt ran before it parked; null begins a new attempt. */
  readonly ranMs?: number | null;
  /** For PENDING: keep `workerId`, who has the handler in memory and may claim the job before `runAt`. */
  readonly keepWorker?: true;
  /** Let what failed be tried again: a person asked for it. */
  readonly forgetFailures?: true;
  /** What the failure of this attempt makes of the job's records. */
  readonly marks?: FailureMarks;
}

/** One guarded write. The store sets `finishedAt` when the new state is terminal and keeps `workerId` as who ended it. */
export interface Transition {
  readonly jobId: string;
  readonly functionName: string;
  readonly parentId: string | null;
  /** Number of the job's last execution after the change, for those who are told of it. */
  readonly attempt: number;
  /** Holder of the lease before the change. */
  readonly workerId: string | null;
  readonly expected: { readonly state: JobState; readonly leaseToken: number };
  readonly change: JobChange;
  /** To be recorded with the change; the store sets `endedAt`. */
  readonly ended: Omit<Attempt, "endedAt"> | null;
}

export interface MachineSettings {
  /** Losses after which a job is DEAD with the reason worker_lost. */
  readonly maxLosses: number;
}

/** What the machine reads of a job. */
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

/** What an event does to a job when its outcome depends on the job alone; null when the job's state does not allow it. */
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
  const error = verdict("timeout", "TimeoutError", `attempt ${job.attempt} ran longer than its ${job.timeoutMs} ms`);
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
  // A job that never started gives its attempt number back, so that attempts count executions. One that was parked is
  // still in the same attempt, wherever that goes on.
  const attempt = started || job.ranMs !== null ? job.attempt : job.attempt - 1;
  return transition(job, { state: "PENDING", runAfterMs: delayMs, attempt }, null);
}

/** Other code may come at any time, and none may come for days. */
const MISMATCH_POLICY = { backoff: "exponential", initialDelayMs: 1_000, maxDelayMs: 60_000, jitter: 0.1 } as const;

/** Counts as no failure. The executions that did are left out of the delay. */
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

/** An attempt that was parked has ended: the next claim begins another one. */
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
  start_deadline: "cancelled by its policy: not started within startWithinMs",
  finish_deadline: "cancelled by its policy: not finished within finishWithinMs",
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
