/** P13 on PostgreSQL: waits and their events, five thousand in two minutes, over two daemons with kills. */
import { playPairs } from "./events/play-pairs.ts";
import { shareOfTime, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const LENGTH_MS = 120_000;
/** 5,000 in that time. */
const BETWEEN_PAIRS_MS = 24;

/** One verdict, after one run. */
export async function soakEvents({ executable, directory, random, progress, options }: SoakContext): Promise<Verdict> {
  const lengthMs = shareOfTime(options) ?? LENGTH_MS;
  const report = await playPairs({
    ...{ command: [executable], directory, random, progress },
    pairs: Math.round(lengthMs / BETWEEN_PAIRS_MS),
    lengthMs,
    killEveryMs: [1_000, 4_000],
  });
  const { told, timedOut, latestMs, daemonKills, workerKills } = report;
  return verdictOf(
    "P13 every wait ends once: with the first payload of its event, or at its timeout",
    `${told} waits got their event, ${timedOut} timed out (${latestMs} ms late at most), over ${daemonKills} kills of two daemons and ${workerKills} of workers`,
    report.faults,
  );
}
