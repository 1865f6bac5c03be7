/** Memory over time: two million jobs are enqueued and run, and the daemon's resident memory does not climb. */
import { join } from "node:path";
import { removeDatabase } from "../bench/scenes.ts";
import { measureGrowth, watchMemory } from "../bench/watch-memory.ts";
import { type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const TITLE = "the daemon's memory does not grow with the jobs it has seen";
const PLATEAU_SHARE = 0.05;
/** As a multiple of the plateau. */
const MAX_END = 1.5;
/** As a share of the plateau, per million jobs of the second half. */
const MAX_SLOPE = 0.1;
const MILLION = 1_000_000;

/** Skipped if the system does not report the memory of a process. */
export async function soakMemory(context: SoakContext): Promise<Verdict> {
  const { jobs } = context.options;
  const db = join(context.directory, "memory.db");
  const { samples, jobsPerSecond } = await watchMemory(context.executable, db, jobs, context.progress);
  removeDatabase(db);
  const growth = measureGrowth(samples, jobs * PLATEAU_SHARE);
  if (growth === null) {
    return {
      title: TITLE,
      outcome: "skipped",
      detail: "this system does not tell the memory of a process",
      faults: [],
    };
  }
  const { plateauMegabytes, endMegabytes } = growth;
  const slope = growth.slopePerJob * MILLION;
  const faults: string[] = [];
  if (endMegabytes > MAX_END * plateauMegabytes) faults.push(`it ended above ${MAX_END} x its plateau`);
  if (slope > MAX_SLOPE * plateauMegabytes) faults.push(`it climbs by ${slope.toFixed(1)} MB a million jobs`);
  return verdictOf(
    TITLE,
    `${jobs} jobs at ${Math.round(jobsPerSecond)}/s: ${plateauMegabytes.toFixed(0)} MB after the first twentieth, ` +
      `${endMegabytes.toFixed(0)} MB at the end, ${slope.toFixed(1)} MB a million jobs in the second half`,
    faults,
  );
}
