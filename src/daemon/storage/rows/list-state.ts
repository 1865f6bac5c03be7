import type { JobState } from "../../core/job.ts";
import { STATE_CODES } from "./codes.ts";

/** Where the index of lists has a state: PENDING and RUNNING are one range of it. */
export function listStateOf(state: JobState): number {
  return state === "RUNNING" ? STATE_CODES.PENDING : STATE_CODES[state];
}

/** Whether a field of a filter filters. */
export function isGiven<T>(values: readonly T[] | undefined): values is readonly T[] {
  return values !== undefined && values.length > 0;
}
