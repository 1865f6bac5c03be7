/** P15 over three daemons of which the busiest fails; `bun run soak --only schedules` plays five for two minutes. */
import { expect, test } from "bun:test";
import { playSchedules } from "../../scripts/soak/schedules/play-schedules.ts";
import { reseolioCommand } from "../support/executable.ts";

test("P15: each second's tick enqueues exactly one job while daemons are killed and stopped, whatever their clocks say", async () => {
  const { faults, ...report } = await playSchedules({
    command: reseolioCommand(),
    progress: () => {},
    skewsMs: [-5_000, 0, 5_000],
    lengthMs: 10_000,
    faultEveryMs: 3_000,
    stopMs: 3_000,
  });
  process.stderr.write(`schedules: ${JSON.stringify(report)}\n`);
  expect(faults).toEqual([]);
  // Fewer would mean that nothing was shown.
  expect(Math.min(report.kills, report.stops)).toBeGreaterThanOrEqual(1);
  expect(report.ticks).toBeGreaterThanOrEqual(9);
}, 90_000);
