import type { PendingWait } from "../../core/checkpoint.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";

/** A parent of a thousand children is explained by some of them. */
const MOST_WAITS = 10;

/**
 * What a parked job waits for, one sentence each; of awaited jobs also how they stand.
 *
 * @param jobId of the parked job
 * @param hindrance what holds an awaited job back; null for nothing
 */
export async function explainWaits(
  engine: Engine,
  jobId: string,
  waits: readonly PendingWait[],
  hindrance: (job: Job) => Promise<string | null>,
): Promise<readonly string[]> {
  if (waits.length === 0) return ["it is parked until what it awaits happens"];
  const shown = waits.slice(0, MOST_WAITS);
  const ids = shown.flatMap(({ awaitedJobId }) => (awaitedJobId === null ? [] : [awaitedJobId]));
  const awaited = new Map((await engine.store.getJobs(ids)).map((job) => [job.jobId, job]));
  const sentences = shown.map((wait) => sentenceOf(wait, awaited.get(wait.awaitedJobId ?? ""), hindrance));
  const left = waits.length - shown.length;
  return [
    ...(await Promise.all(sentences)),
    ...(left > 0 ? [`it waits for ${left} things more`] : []),
    ...(await signalsToCome(engine, jobId)),
  ];
}

/** What was sent under names that the job does not wait for now: perhaps one of them is misspelt. */
async function signalsToCome({ store }: Engine, jobId: string): Promise<readonly string[]> {
  const counts = [...(await store.countSignals(jobId))];
  if (counts.length === 0) return [];
  const shown = counts.slice(0, MOST_WAITS).map(([name, count]) => `${JSON.stringify(name)} (${count})`);
  return [`it has not awaited these signals yet: ${shown.join(", ")}${counts.length > MOST_WAITS ? ", …" : ""}`];
}

async function sentenceOf(
  { name, kind, dueAt, eventName, awaitedJobId, signalName }: PendingWait,
  job: Job | undefined,
  hindrance: (job: Job) => Promise<string | null>,
): Promise<string> {
  const until = dueAt === null ? "" : ` until ${new Date(dueAt).toISOString()}`;
  switch (kind) {
    case "sleep":
      return `it sleeps${until} (${JSON.stringify(name)})`;
    case "event":
      return `it waits for the event ${JSON.stringify(eventName)}${until}`;
    case "signal":
      return `it waits for the signal ${JSON.stringify(signalName)}${until}`;
    case "job":
      return `it waits for the end of job ${awaitedJobId}${await stateOf(job, hindrance)}`;
  }
}

async function stateOf(job: Job | undefined, hindrance: (job: Job) => Promise<string | null>): Promise<string> {
  if (job === undefined) return ", which is not there any more";
  const why = await hindrance(job);
  return ` of ${job.functionName}, which is ${job.state}${why === null ? "" : ` (${why})`}`;
}
