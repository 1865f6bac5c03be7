/** What a commit tells other daemons: which functions have jobs to claim, which jobs they may wait for or run. */
import type { StoreHint } from "../job-store.ts";

export interface Hints {
  readonly readyFunctions: Set<string>;
  readonly jobIds: Set<string>;
  readonly workerIds: Set<string>;
}

export function newHints(): Hints {
  return { readyFunctions: new Set(), jobIds: new Set(), workerIds: new Set() };
}

/** PostgreSQL refuses 8,000 bytes. */
const MOST_BYTES = 7_900;
/** Ids and names that do not fit are told as "any". */
const ID_BYTES = 39;

/** Everything that any commit may have told: for those who may have missed some. */
export const ANY_HINT: StoreHint = { functionNames: "any", jobIds: "any", workerIds: "any" };

/** One text for a whole transaction; null when there is nothing to tell. */
export function hintText({ readyFunctions, jobIds, workerIds }: Hints, from: string): string | null {
  if (readyFunctions.size === 0 && jobIds.size === 0 && workerIds.size === 0) return null;
  const head = {
    from,
    functions: fitting([...readyFunctions], MOST_BYTES / 4),
    workers: fitting([...workerIds], MOST_BYTES / 4),
  };
  const room = MOST_BYTES - Buffer.byteLength(JSON.stringify(head)) - 20;
  const ids = jobIds.size * ID_BYTES <= room ? [...jobIds] : "any";
  return JSON.stringify({ ...head, jobs: ids });
}

/** Null for what this daemon sent itself, and for what is no hint of ours. */
export function readHint(text: string, own: string): StoreHint | null {
  try {
    const { from, functions, jobs, workers } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (from === own) return null;
    return { functionNames: listOrAny(functions), jobIds: listOrAny(jobs), workerIds: listOrAny(workers) };
  } catch {
    return null;
  }
}

function fitting(names: readonly string[], mostBytes: number): readonly string[] | "any" {
  return Buffer.byteLength(JSON.stringify(names)) <= mostBytes ? names : "any";
}

function listOrAny(value: unknown): readonly string[] | "any" {
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : "any";
}
