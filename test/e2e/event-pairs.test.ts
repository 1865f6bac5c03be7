/** P13 over two daemons on PostgreSQL with kills; `bun run soak --only events` plays it with 5,000 pairs. */
import { expect, test } from "bun:test";
import { playPairs } from "../../scripts/soak/events/play-pairs.ts";
import { Random } from "../../scripts/soak/random.ts";
import { reseolioCommand } from "../support/executable.ts";
import { tempDir } from "../support/temp-dir.ts";

test("P13: waits and events in random order over two daemons that are killed: each wait ends once, rightly", async () => {
  const seed = Number(process.env["TEST_SEED"] ?? Date.now() % 1_000_000);
  process.stderr.write(`event pairs: TEST_SEED=${seed}\n`);
  await using dir = await tempDir();
  const { faults, ...report } = await playPairs({
    command: reseolioCommand(),
    directory: dir.path,
    random: new Random(seed),
    progress: () => {},
    pairs: 300,
    lengthMs: 5_000,
    killEveryMs: [500, 1_500],
  });
  process.stderr.write(`event pairs: ${JSON.stringify(report)}\n`);
  expect(faults).toEqual([]);
  expect(report.told).toBeGreaterThan(150);
  expect(report.timedOut).toBeGreaterThan(10);
  expect(report.daemonKills + report.workerKills).toBeGreaterThanOrEqual(3);
}, 120_000);
