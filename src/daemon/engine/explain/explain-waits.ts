import { type PendingWait, shownName } from "../../core/checkpoint.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";

/** The last ones: what the job waits for now came after them. */
const RECORDS_READ = 100;
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
  const awaited = new Map((await engine.store.jobs.getMany(ids)).map((job) => [job.jobId, job]));
  const sentences = shown.map((wait) => sentenceOf(wait, awaited.get(wait.awaitedJobId ?? ""), hindrance));
  const left = waits.length - shown.length;
  return [
    ...(await Promise.all(sentences)),
    ...(left > 0 ? [`it waits for ${left} things more`] : []),
    ...(await signalsToCome(engine, jobId)),
    ...(await messagesNotTaken(engine, jobId)),
  ];
}

/**
 * What came for a wait of an earlier execution, and which this one has not asked for: that wait has lost a race, or the
 * code was changed while the job was parked. Only a wait of this execution wakes it.
 */
async function messagesNotTaken({ store }: Engine, jobId: string): Promise<readonly string[]> {
  const records = await store.workflows.listRecords(jobId, RECORDS_READ);
  const left = records.filter(
    ({ kind, order, timedOut }) => (kind === "signal" || kind === "event") && order?.seq === 0 && !timedOut,
  );
  if (left.length === 0) return [];
  const names = left.slice(0, MOST_WAITS).map(({ name, kind }) => `the ${kind} ${JSON.stringify(shownName(name))}`);
  return [
    `its handler has not asked again for what it received: ${names.join(", ")}${left.length > MOST_WAITS ? ", …" : ""} ` +
      `(if its code was changed, deploy code that fits, and reseolio jobs retry ${jobId} wakes it)`,
  ];
}

/** What was sent under names that the job does not wait for now: perhaps one of them is misspelt. */
async function signalsToCome({ store }: Engine, jobId: string): Promise<readonly string[]> {
  const counts = [...(await store.workflows.countSignals(jobId))];
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
      return `it sleeps${until} (${JSON.stringify(shownName(name))})`;
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
