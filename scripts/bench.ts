/**
 * `bun run bench`: what Reseolio does on this machine, beside what the machine can do. The compiled daemon, clients and
 * workers in other processes; the table on stdout, progress on stderr.
 *
 *     bun run bench [--quick] [--rounds N] [--json FILE] [--dir DIRECTORY] [--strict]
 *                   [--only core,node,growth,lists,delayed,schedules,start,memory,postgres]
 */
import { tmpdir } from "node:os";
import { parseBenchOptions } from "./bench/options.ts";
import { prepareCheckout } from "./prepare.ts";

try {
  const options = parseBenchOptions(process.argv.slice(2), tmpdir());
  const executable = await prepareCheckout();
  // Only now is there anything to import: a fresh clone has no packages before.
  const { runBench } = await import("./bench/run-bench.ts");
  process.exitCode = await runBench(executable, options);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
