/** `bun run bench`: what Reseolio does on this machine, beside what the machine can do; `--help` lists the options. */
import { tmpdir } from "node:os";
import { BENCH_USAGE, parseBenchOptions } from "./bench/options.ts";
import { prepareCheckout } from "./prepare.ts";
import { printsHelp } from "./usage.ts";

async function bench(words: readonly string[]): Promise<void> {
  if (printsHelp(words, BENCH_USAGE)) return;
  const options = parseBenchOptions(words, tmpdir());
  const executable = await prepareCheckout();
  // Only now is there anything to import: a fresh clone has no packages before.
  const { runBench } = await import("./bench/run-bench.ts");
  process.exitCode = await runBench(executable, options);
}

await bench(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
