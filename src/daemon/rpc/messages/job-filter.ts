import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { JobState as JobStateMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { JobFilter as JobFilterMessage } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { LAST_TIME } from "../../core/job-options.ts";
import type { JobState } from "../../core/job.ts";
import type { PageRequest } from "../../engine/jobs/read-jobs.ts";
import { toMs } from "./timestamps.ts";
import { unknownEnumValue } from "./unknown-enum-value.ts";

type JobFilter = PageRequest["filter"];
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Empty fields do not filter. The engine checks IDs. */
export function toJobFilter(message: JobFilterMessage | undefined): JobFilter {
  if (message === undefined) return {};
  const filter: Mutable<JobFilter> = {};
  if (message.jobIds.length > 0) filter.jobIds = message.jobIds;
  if (message.states.length > 0) filter.states = message.states.map(toJobState);
  if (message.functionNames.length > 0) filter.functionNames = message.functionNames;
  if (message.idempotencyKey !== "") filter.idempotencyKey = message.idempotencyKey;
  if (message.parentId !== "") filter.parentId = message.parentId;
  if (message.scheduleName !== "") filter.scheduleName = message.scheduleName;
  if (message.createdAfter !== undefined) filter.createdAfter = toTime(message.createdAfter);
  if (message.createdBefore !== undefined) filter.createdBefore = toTime(message.createdBefore);
  return filter;
}

/** Clamps times outside the range that jobs can have. */
function toTime(timestamp: Timestamp): number {
  return Math.min(Math.max(toMs(timestamp), 0), LAST_TIME);
}

function toJobState(state: JobStateMessage, index: number): JobState {
  switch (state) {
    case JobStateMessage.PENDING:
      return "PENDING";
    case JobStateMessage.RUNNING:
      return "RUNNING";
    case JobStateMessage.SUSPENDED:
      return "SUSPENDED";
    case JobStateMessage.SUCCESS:
      return "SUCCESS";
    case JobStateMessage.DEAD:
      return "DEAD";
    case JobStateMessage.CANCELLED:
      return "CANCELLED";
    default:
      throw unknownEnumValue(`filter.states[${index}]`, state, JobStateMessage);
  }
}
