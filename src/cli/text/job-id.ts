import { usageError } from "../exit.ts";

const WHOLE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SHORT_LENGTH = 18;
const SHORTEST = 13;

/** Shortens an ID for people to its time and counter, which distinguish the jobs that one process enqueued. */
export function shortId(jobId: string): string {
  return jobId.slice(0, SHORT_LENGTH);
}

/** @throws CliError `usage` if the text is neither a job ID nor the beginning of one */
export function checkJobId(text: string): string {
  const id = text.trim().toLowerCase();
  if (WHOLE.test(id) || isPrefix(id)) return id;
  throw usageError(
    `not a valid job ID: ${JSON.stringify(text)}`,
    "pass a full ID, or at least its first 13 characters, as shown by reseolio jobs list",
  );
}

/** Whether a valid ID is complete and not only its beginning. */
export function isWholeId(id: string): boolean {
  return WHOLE.test(id);
}

function isPrefix(id: string): boolean {
  const sample = "00000000-0000-0000-0000-000000000000";
  return id.length >= SHORTEST && id.length < sample.length && WHOLE.test(id + sample.slice(id.length));
}
