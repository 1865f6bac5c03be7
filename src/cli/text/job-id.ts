import { usageError } from "../exit.ts";

const WHOLE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SHORT_LENGTH = 18;
const SHORTEST = 13;

/** How an id is shown to people: its time and its counter, which tell apart what one process enqueued. */
export function shortId(jobId: string): string {
  return jobId.slice(0, SHORT_LENGTH);
}

/** @throws CliError `usage` when the text can be no job id and no start of one */
export function checkJobId(text: string): string {
  const id = text.trim().toLowerCase();
  if (WHOLE.test(id) || isPrefix(id)) return id;
  throw usageError(
    `${JSON.stringify(text)} is no job id`,
    "give a whole id, or at least its first 13 characters as reseolio jobs list shows them",
  );
}

/** Whether an id that was checked is a whole one, not only its start. */
export function isWholeId(id: string): boolean {
  return WHOLE.test(id);
}

function isPrefix(id: string): boolean {
  const sample = "00000000-0000-0000-0000-000000000000";
  return id.length >= SHORTEST && id.length < sample.length && WHOLE.test(id + sample.slice(id.length));
}
