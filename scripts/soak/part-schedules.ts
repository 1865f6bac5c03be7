/** P15: a schedule ticks every second, once, while its daemons fail and disagree about the time. */
import { playSchedules } from "./schedules/play-schedules.ts";
import { type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const MINUTES = 2;

/** One verdict, after one run. */
export async function soakSchedules(context: SoakContext): Promise<Verdict> {
  const { executable, progress, options } = context;
  const { ticks, kills, stops, lateMs, faults } = await playSchedules({
    ...{ command: [executable], progress },
    skewsMs: [-5_000, -2_500, 0, 2_500, 5_000],
    lengthMs: (options.minutes ?? MINUTES) * 60_000,
    faultEveryMs: 10_000,
    stopMs: 20_000,
  });
  const late = `late by ${lateMs.p50} ms (p50), ${lateMs.p99} ms (p99), ${lateMs.most} ms at most`;
  return verdictOf(
    "P15 each tick enqueues exactly one job, over five daemons whose clocks are up to 5 s wrong",
    `${ticks} ticks, ${late}; the busiest daemon killed ${kills} times, stopped for 20 s ${stops} times`,
    faults,
  );
}
