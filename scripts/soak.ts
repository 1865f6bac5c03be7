/** `bun run soak`: long-running tests of the promises, with a verdict for each part; `--help` lists the options. */
import { tmpdir } from "node:os";
import { prepareCheckout } from "./prepare.ts";
import { parseSoakOptions, SOAK_USAGE } from "./soak/options.ts";
import { printsHelp } from "./usage.ts";

async function soak(words: readonly string[]): Promise<void> {
  if (printsHelp(words, SOAK_USAGE)) return;
  const options = parseSoakOptions(words, tmpdir());
  const executable = await prepareCheckout();
  // Only now is there anything to import: a fresh clone has no packages before.
  const { runSoak } = await import("./soak/run-soak.ts");
  process.exitCode = (await runSoak(executable, options)) ? 0 : 1;
}

await soak(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
