/**
 * `bun run soak`: the promises at length. Kills, power cuts and a million jobs, with a verdict for each part; exit code
 * 1 when a promise was broken. Power cuts need root and a loop device, and are skipped, visibly, without.
 *
 *     bun run soak [--minutes M] [--rounds N] [--dir DIRECTORY] [--seed N] [--jobs N]
 *                  [--only enqueue,workers,daemon,power,chaos,schedules,cluster,events,copy,waits,memory,replay,undo]
 */
import { tmpdir } from "node:os";
import { prepareCheckout } from "./prepare.ts";
import { parseSoakOptions } from "./soak/options.ts";

try {
  const options = parseSoakOptions(process.argv.slice(2), tmpdir());
  const executable = await prepareCheckout();
  // Only now is there anything to import: a fresh clone has no packages before.
  const { runSoak } = await import("./soak/run-soak.ts");
  process.exitCode = (await runSoak(executable, options)) ? 0 : 1;
} catch (error) {
  process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
