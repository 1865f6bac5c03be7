import type { PendingWait } from "../../core/checkpoint.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";

/** A parent of a thousand children is explained by some of them. */
const MOST_WAITS = 10;

/**
 * What a parked job waits for, one sentence each; of awaited jobs also how they stand.
 *
 * @param hindrance what holds an awaited job back; null for nothing
 */
export async function explainWaits(
  engine: Engine,
  waits: readonly PendingWait[],
  hindrance: (job: Job) => Promise<string | null>,
): Promise<readonly string[]> {
  if (waits.length === 0) return ["it is parked until what it awaits happens"];
  const shown = waits.slice(0, MOST_WAITS);
  const ids = shown.flatMap(({ awaitedJobId }) => (awaitedJobId === null ? [] : [awaitedJobId]));
  const awaited = new Map((await engine.store.getJobs(ids)).map((job) => [job.jobId, job]));
  const sentences = shown.map((wait) => sentenceOf(wait, awaited.get(wait.awaitedJobId ?? ""), hindrance));
  const left = waits.length - shown.length;
  return [...(await Promise.all(sentences)), ...(left > 0 ? [`it waits for ${left} things more`] : [])];
}

async function sentenceOf(
  { name, kind, dueAt, eventName, awaitedJobId }: PendingWait,
  job: Job | undefined,
  hindrance: (job: Job) => Promise<string | null>,
): Promise<string> {
  const until = dueAt === null ? "" : ` until ${new Date(dueAt).toISOString()}`;
  switch (kind) {
    case "sleep":
      return `it sleeps${until} (${JSON.stringify(name)})`;
    case "event":
      return `it waits for the event ${JSON.stringify(eventName)}${until}`;
    case "job":
      return `it waits for the end of job ${awaitedJobId}${await stateOf(job, hindrance)}`;
  }
}

async function stateOf(job: Job | undefined, hindrance: (job: Job) => Promise<string | null>): Promise<string> {
  if (job === undefined) return ", which is not there any more";
  const why = await hindrance(job);
  return ` of ${job.functionName}, which is ${job.state}${why === null ? "" : ` (${why})`}`;
}
