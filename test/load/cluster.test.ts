/** P3 and P4 over three daemons on one database; `bun run soak --only cluster` plays it larger, and with wrong clocks. */
import { expect, test } from "bun:test";
import { playKeys } from "../../scripts/soak/cluster/play-keys.ts";
import { playLoad } from "../../scripts/soak/cluster/play-load.ts";
import { reseolioCommand } from "../support/executable.ts";
import { tempDir } from "../support/temp-dir.ts";

test("P3: callers with the same keys get one job a key, while two of three daemons are killed", async () => {
  const report = await playKeys({ command: reseolioCommand(), daemons: 3, callers: 40, keys: 25 });
  expect(report).toEqual({ faults: [], calls: 1_000, kills: 2, toldAsNew: 25 });
}, 120_000);

test("P4: jobs on workers of three daemons, one of which is killed, run once each and by one lease at a time", async () => {
  await using dir = await tempDir();
  const report = await playLoad({
    ...{ command: reseolioCommand(), directory: dir.path },
    ...{ daemons: 3, workers: 5, jobs: 1_500, killsDaemon: true, withinMs: 60_000 },
  });
  expect(report.faults).toEqual([]);
  expect(report.executions).toBe(1_500);
  expect(report.perWorker).toHaveLength(5);
}, 120_000);
