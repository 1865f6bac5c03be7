/** Words of the core as the small numbers of the schema. Frozen: files on disk carry them. */
import type { CheckpointKind } from "../../core/checkpoint.ts";
import type { AttemptOutcome, BackoffKind, JobState } from "../../core/job.ts";
import type { CatchUp, Overlap, ScheduleState } from "../../core/schedule.ts";

export const STATE_CODES = {
  PENDING: 0,
  RUNNING: 1,
  SUSPENDED: 2,
  SUCCESS: 3,
  DEAD: 4,
  CANCELLED: 5,
} as const satisfies Record<JobState, number>;

export const BACKOFF_CODES = { fixed: 0, linear: 1, exponential: 2 } as const satisfies Record<BackoffKind, number>;

export const OUTCOME_CODES = {
  failed: 0,
  timeout: 1,
  lost: 2,
  cancelled: 3,
} as const satisfies Record<AttemptOutcome, number>;

export const SCHEDULE_STATE_CODES = { ACTIVE: 0, PAUSED: 1, DELETED: 2 } as const satisfies Record<
  ScheduleState,
  number
>;

export const CATCH_UP_CODES = { none: 0, latest: 1, all: 2 } as const satisfies Record<CatchUp, number>;

export const OVERLAP_CODES = { allow: 0, skip: 1 } as const satisfies Record<Overlap, number>;

/** A code with OTHER_KIND is stored in two columns: the rest of the number in `kind`, this flag in `gate`. */
export const KIND_CODES = {
  step: 0,
  sleep: 1,
  event: 2,
  value: 3,
  choice: 4,
  job: 5,
  try: 16,
  signal: 18,
  note: 19,
} as const satisfies Record<CheckpointKind, number>;

const STATES = inverse<JobState>(STATE_CODES);
const BACKOFFS = inverse<BackoffKind>(BACKOFF_CODES);
const OUTCOMES = inverse<AttemptOutcome>(OUTCOME_CODES);
const SCHEDULE_STATES = inverse<ScheduleState>(SCHEDULE_STATE_CODES);
const CATCH_UPS = inverse<CatchUp>(CATCH_UP_CODES);
const OVERLAPS = inverse<Overlap>(OVERLAP_CODES);
const KINDS = inverse<CheckpointKind>(KIND_CODES);

export function stateOf(code: number): JobState {
  return STATES[code] ?? unknownCode("state", code);
}

export function backoffOf(code: number): BackoffKind {
  return BACKOFFS[code] ?? unknownCode("backoff", code);
}

export function outcomeOf(code: number): AttemptOutcome {
  return OUTCOMES[code] ?? unknownCode("outcome", code);
}

export function scheduleStateOf(code: number): ScheduleState {
  return SCHEDULE_STATES[code] ?? unknownCode("schedule state", code);
}

export function catchUpOf(code: number): CatchUp {
  return CATCH_UPS[code] ?? unknownCode("catch_up", code);
}

export function overlapOf(code: number): Overlap {
  return OVERLAPS[code] ?? unknownCode("overlap", code);
}

export function kindOf(code: number): CheckpointKind {
  return KINDS[code] ?? unknownCode("kind of checkpoint", code);
}

function inverse<Word extends string>(codes: Record<Word, number>): readonly Word[] {
  const words: Word[] = [];
  for (const word in codes) words[codes[word]] = word;
  return words;
}

function unknownCode(what: string, code: number): never {
  throw new RangeError(`the database contains the unknown ${what} ${code}; check it with reseolio db check`);
}
