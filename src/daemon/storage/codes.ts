/** Words of the core as the small numbers of the schema. Frozen: files on disk carry them. */
import type { AttemptOutcome, BackoffKind, JobState } from "../core/job.ts";

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

const STATES = inverse<JobState>(STATE_CODES);
const BACKOFFS = inverse<BackoffKind>(BACKOFF_CODES);
const OUTCOMES = inverse<AttemptOutcome>(OUTCOME_CODES);

export function stateOf(code: number): JobState {
  return STATES[code] ?? unknownCode("state", code);
}

export function backoffOf(code: number): BackoffKind {
  return BACKOFFS[code] ?? unknownCode("backoff", code);
}

export function outcomeOf(code: number): AttemptOutcome {
  return OUTCOMES[code] ?? unknownCode("outcome", code);
}

function inverse<Word extends string>(codes: Record<Word, number>): readonly Word[] {
  const words: Word[] = [];
  for (const word in codes) words[codes[word]] = word;
  return words;
}

function unknownCode(what: string, code: number): never {
  throw new RangeError(`the database holds the unknown ${what} ${code}; reseolio db check examines the file`);
}
