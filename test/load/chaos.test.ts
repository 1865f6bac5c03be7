/** P1 P4 P11 P12 P16 P19 on PostgreSQL while everything fails at once; `bun run soak --only chaos` plays it for two minutes. */
import { expect, test } from "bun:test";
import { playChaos } from "../../scripts/soak/chaos/play-chaos.ts";
import { Random } from "../../scripts/soak/random.ts";
import { reseolioCommand } from "../support/executable.ts";
import { tempDir } from "../support/temp-dir.ts";

const FAULTS_MS = 9_000;

test("P1 P4 P11 P12 P16 P19: chaos on PostgreSQL loses nothing, hangs nothing, throws nothing, and is over when it is over", async () => {
  const seed = Number(process.env["TEST_SEED"] ?? Date.now() % 1_000_000);
  process.stderr.write(`chaos: TEST_SEED=${seed}\n`);
  await using dir = await tempDir();
  const report = await playChaos({
    command: reseolioCommand(),
    directory: dir.path,
    random: new Random(seed),
    progress: () => {},
    baselineMs: 1_500,
    faultsMs: FAULTS_MS,
    terminateEveryMs: 60,
    serverStopsEveryMs: [1_500, 2_500],
    serverDownMs: [0, 1_000],
    killDaemonEveryMs: 3_000,
    blackHoleAtMs: 1_000,
    blackHoleMs: FAULTS_MS / 2,
    lease: "3s",
    recoverWithinMs: 10_000,
    // A machine that does other things too changes its speed within seconds.
    recoveredShare: 0.2,
  });
  const { counts, faults, ...calls } = report;
  process.stderr.write(`chaos: ${JSON.stringify({ ...counts, ...calls })}\n`);
  expect(faults).toEqual({ lost: [], hung: [], uncaught: [], slow: [], replayed: [] });
  // Fewer would mean that nothing was shown.
  expect(counts.terminated).toBeGreaterThan(30);
  expect(counts.serverStops).toBeGreaterThanOrEqual(2);
  expect(counts.daemonKills).toBeGreaterThanOrEqual(2);
  expect(report.acknowledged).toBeGreaterThan(50);
}, 120_000);
