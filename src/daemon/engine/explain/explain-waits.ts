import { type PendingWait, shownName } from "../../core/checkpoint.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";

/** Only recent records matter: the job's present waits came after them. */
const RECORDS_READ = 100;
/** Maximum number of waits to name: a few explain a parent of a thousand children. */
const MOST_WAITS = 10;

/**
 * Explains what a parked job waits for, one sentence per wait; for awaited jobs also their state.
 *
 * @param jobId the parked job
 * @param hindrance says what blocks an awaited job; null for nothing
 */
export async function explainWaits(
  engine: Engine,
  jobId: string,
  waits: readonly PendingWait[],
  hindrance: (job: Job) => Promise<string | null>,
): Promise<readonly string[]> {
  if (waits.length === 0) return ["it is parked until something that it awaits happens"];
  const shown = waits.slice(0, MOST_WAITS);
  const ids = shown.flatMap(({ awaitedJobId }) => (awaitedJobId === null ? [] : [awaitedJobId]));
  const awaited = new Map((await engine.store.jobs.getMany(ids)).map((job) => [job.jobId, job]));
  const sentences = shown.map((wait) => sentenceOf(wait, awaited.get(wait.awaitedJobId ?? ""), hindrance));
  const left = waits.length - shown.length;
  return [
    ...(await Promise.all(sentences)),
    ...(left > 0 ? [`it has ${left} more waits`] : []),
    ...(await signalsToCome(engine, jobId)),
    ...(await messagesNotTaken(engine, jobId)),
  ];
}

/**
 * Mentions what arrived for a wait of an earlier execution that this one has not asked for: that wait lost a race, or
 * the code changed while the job was parked. Only a wait of this execution wakes the job.
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
      `(if its code was changed, deploy code that matches, then wake it with reseolio jobs retry ${jobId})`,
  ];
}

/** Mentions signals with names that the job does not wait for now: one of them may be misspelt. */
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
      return `it is sleeping${until} (${JSON.stringify(shownName(name))})`;
    case "event":
      return `it is waiting for the event ${JSON.stringify(eventName)}${until}`;
    case "signal":
      return `it is waiting for the signal ${JSON.stringify(signalName)}${until}`;
    case "job":
      return `it is waiting for the end of job ${awaitedJobId}${await stateOf(job, hindrance)}`;
  }
}

async function stateOf(job: Job | undefined, hindrance: (job: Job) => Promise<string | null>): Promise<string> {
  if (job === undefined) return ", which no longer exists";
  const why = await hindrance(job);
  return ` of ${job.functionName}, which is ${job.state}${why === null ? "" : ` (${why})`}`;
}
