/** The protocol's enum values for the choices of job options. */
import { Backoff, OnDuplicate } from "./gen/reseolio/v1/job_pb.ts";
import type { BackoffKind, OnDuplicateKind } from "./job-options.ts";

export const BACKOFFS: Readonly<Record<BackoffKind, Backoff>> = {
  fixed: Backoff.FIXED,
  linear: Backoff.LINEAR,
  exponential: Backoff.EXPONENTIAL,
};

export const ON_DUPLICATES: Readonly<Record<OnDuplicateKind, OnDuplicate>> = {
  return_existing: OnDuplicate.RETURN_EXISTING,
  reject: OnDuplicate.REJECT,
  replace_finished: OnDuplicate.REPLACE_FINISHED,
};
