/**
 * `bun run demo`: webhooks are delivered to a receiver that fails at first, everything is killed -9 in the middle of the
 * retries, and every one of them arrives. Works in a fresh clone. Exit code 0 only when the claims that it prints at the
 * end hold, by the store and by the receiver's log.
 */
import { prepareCheckout } from "./prepare.ts";
import { printsHelp, type Usage } from "./usage.ts";

const USAGE: Usage = {
  script: "demo",
  purpose:
    "Delivers webhooks to a receiver that fails at first, kills everything in the middle of the retries, and shows that\n" +
    "every webhook arrives. Takes about 20 seconds; exits with 1 when a claim that it prints does not hold.",
  options: [],
  examples: [
    ["demo", "plays the demo and prints its timeline"],
    ["demo | cat", "without colours"],
  ],
};

async function demo(words: readonly string[]): Promise<void> {
  if (printsHelp(words, USAGE)) return;
  if (words.length > 0) throw new Error(`unexpected argument ${JSON.stringify(words[0])}; see bun run demo --help`);
  const executable = await prepareCheckout();
  // Only now is there anything to import: a fresh clone has no packages before.
  const { runDemo } = await import("./demo/run-demo.ts");
  process.exitCode = (await runDemo(executable)) ? 0 : 1;
}

await demo(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
