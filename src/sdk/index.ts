/** The public face of the SDK: everything a program may rely on, and nothing else. */
export type { AwaitEventOptions, AwaitSignalOptions, AwaitSource, Context, FirstOf, StepRun } from "./context.ts";
export { context } from "./replay/scope.ts";
export type { DurableFunction } from "./durable-function.ts";
export {
  ConnectionError,
  JobCancelledError,
  type JobErrorReason,
  JobFailedError,
  ReseolioError,
  type ReseolioErrorCode,
  ResultTimeoutError,
  RetryAfterError,
  TerminalError,
} from "./errors.ts";
export type { DeduplicatedCall, JobEventInfo, ReseolioEvents } from "./events.ts";
export type { AttemptDetails, JobDetails, JobErrorDetails, JobStatus } from "./job-details.ts";
export type { JobPage, JobQuery } from "./job-query.ts";
export type { EmittedEvent, SentSignal } from "./sent-messages.ts";
export { JobHandle } from "./job-handle.ts";
export type { JobOptions } from "./options/job-options.ts";
export type { LogFields, Logger } from "./logger.ts";
export type { ReseolioOptions } from "./reseolio-options.ts";
export { Reseolio } from "./reseolio.ts";
export type { LastJob, ScheduleDetails, ScheduleStatus, ScheduleTick } from "./schedule-details.ts";
export type { BackfillWindow, PreviewWindow, SchedulePage, ScheduleQuery } from "./schedule-query.ts";
export { ScheduleHandle } from "./schedule-handle.ts";
export type {
  ScheduleJobOptions,
  ScheduleOptions,
  ScheduleRule,
  ScheduleSettings,
  ScheduleUpdate,
} from "./options/schedule-options.ts";
export type { JobResult, Serialized } from "./serialized.ts";
export type { StepOptions, UndoRun } from "./options/step-options.ts";
export type { TlsOptions } from "./transport/transport.ts";
export { EventTimeoutError, SignalTimeoutError, StepFailedError } from "./workflow/workflow-errors.ts";
