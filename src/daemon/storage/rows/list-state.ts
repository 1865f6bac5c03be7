import type { JobState } from "../../core/job.ts";
import { STATE_CODES } from "./job-rows.ts";

/** The number of a state in the index of lists: PENDING and RUNNING share one range. */
export function listStateOf(state: JobState): number {
  return state === "RUNNING" ? STATE_CODES.PENDING : STATE_CODES[state];
}

/** Whether a field of a filter is set. */
export function isGiven<T>(values: readonly T[] | undefined): values is readonly T[] {
  return values !== undefined && values.length > 0;
}
