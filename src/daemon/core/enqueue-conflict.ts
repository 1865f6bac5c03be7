import type { JobOptions } from "./job-options.ts";
import { isTerminal, type JobState } from "./job.ts";

/** The job that has the idempotency key of a request, of the same function. */
export interface KeyHolder {
  readonly jobId: string;
  readonly state: JobState;
  /** Its args differ from those of the request. */
  readonly argsDiffer: boolean;
}

/** Why a request with a known key is not stored. */
export type KeyConflict =
  | ({ readonly kind: "deduplicated" } & KeyHolder)
  | { readonly kind: "rejected"; readonly jobId: string; readonly state: JobState };

/** Null if the request takes over the key and is stored. */
export function judgeKey(onDuplicate: JobOptions["onDuplicate"], holder: KeyHolder): KeyConflict | null {
  const { jobId, state } = holder;
  switch (onDuplicate) {
    case "reject":
      return { kind: "rejected", jobId, state };
    case "return_existing":
      return { kind: "deduplicated", ...holder };
    case "replace_finished":
      return isTerminal(state) ? null : { kind: "deduplicated", ...holder };
  }
}

/** The job that has the id of a request. */
export interface IdHolder {
  readonly jobId: string;
  readonly state: JobState;
  readonly functionName: string;
}

/** Why a request with a known id is not stored. */
export type IdConflict =
  | { readonly kind: "repeated"; readonly jobId: string; readonly state: JobState }
  | { readonly kind: "id_taken"; readonly functionName: string };

/** A request is known by its id and its function: sent again, it is the one that was stored (P2). */
export function judgeId(functionName: string, holder: IdHolder): IdConflict {
  const { jobId, state } = holder;
  if (holder.functionName !== functionName) return { kind: "id_taken", functionName: holder.functionName };
  return { kind: "repeated", jobId, state };
}
