/** Hints that a commit sends to other daemons: functions with jobs to claim, and jobs that they may await or run. */
import type { Transition } from "../../../core/job-machine.ts";
import type { Job, JobState } from "../../../core/job.ts";
import type { HintedChange, StoreHint } from "../../seam/cluster.ts";
import type { StoredJob } from "../../seam/workflows.ts";

export interface Hints {
  readonly readyFunctions: Set<string>;
  readonly jobIds: Set<string>;
  readonly workerIds: Set<string>;
}

export function newHints(): Hints {
  return { readyFunctions: new Set(), jobIds: new Set(), workerIds: new Set() };
}

/** PostgreSQL limits a notification to less than 8,000 bytes. */
const MOST_BYTES = 7_900;
/** Ids and names that do not fit are sent as "any". */
const ID_BYTES = 39;

/** A hint that covers any commit: for those who may have missed some. */
export const ANY_HINT: StoreHint = { functionNames: "any", jobIds: "any", workerIds: "any", isGap: true };

/** One text for a whole transaction; null when there is nothing to send. */
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

type ChangeRow = readonly [string, string, string | null, JobState, number, boolean];

/** What a transaction did to jobs, for daemons where somebody watches. */
export interface Changes {
  readonly stored: StoredJob[];
  readonly moved: Transition[];
  readonly leased: Job[];
}

export function newChanges(): Changes {
  return { stored: [], moved: [], leased: [] };
}

/** As many texts as needed, in the order in which a daemon's own watchers get the changes. */
export function changeTexts({ stored, moved, leased }: Changes, at: number, from: string): readonly string[] {
  const rows: ChangeRow[] = [
    ...stored.map((item): ChangeRow => [item.jobId, item.functionName, item.parentId, "PENDING", 0, false]),
    ...moved.map(({ jobId, functionName, parentId, change, attempt }): ChangeRow => {
      const hasError = change.error !== undefined && change.error !== null;
      return [jobId, functionName, parentId, change.state, attempt, hasError];
    }),
    ...leased.map((job): ChangeRow => [job.jobId, job.functionName, job.parentId, job.state, job.attempt, false]),
  ];
  const texts: string[] = [];
  let part: string[] = [];
  let bytes = 0;
  for (const row of rows.map((one) => JSON.stringify(one))) {
    const rowBytes = Buffer.byteLength(row) + 1;
    if (bytes + rowBytes > MOST_BYTES - HEAD_BYTES) {
      texts.push(changeText(part, at, from));
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += rowBytes;
  }
  return part.length === 0 ? texts : [...texts, changeText(part, at, from)];
}

const HEAD_BYTES = 120;

function changeText(rows: readonly string[], at: number, from: string): string {
  return `{"from":${JSON.stringify(from)},"at":${at},"changes":[${rows.join()}]}`;
}

/** Null for a hint that this daemon sent itself, and for any other text. */
export function readHint(text: string, own: string): StoreHint | null {
  try {
    const { from, functions, jobs, workers, at, changes } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (from === own) return null;
    if (Array.isArray(changes)) return { ...NO_HINT, changes: changes.map((change) => readChange(change, Number(at))) };
    return { functionNames: listOrAny(functions), jobIds: listOrAny(jobs), workerIds: listOrAny(workers) };
  } catch {
    return null;
  }
}

/** A hint with nothing but changes. */
const NO_HINT: StoreHint = { functionNames: [], jobIds: [], workerIds: [] };

function readChange(change: unknown, at: number): HintedChange {
  const [jobId, functionName, parentId, state, attempt, hasError] = change as ChangeRow;
  return { jobId, functionName, parentId, state, attempt, at, hasError };
}

function fitting(names: readonly string[], mostBytes: number): readonly string[] | "any" {
  return Buffer.byteLength(JSON.stringify(names)) <= mostBytes ? names : "any";
}

function listOrAny(value: unknown): readonly string[] | "any" {
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : "any";
}
