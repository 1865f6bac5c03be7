/**
 * `bun run demo`: webhooks are delivered to a receiver that fails at first, everything is killed -9 in the middle of the
 * retries, and every one of them arrives. Works in a fresh clone. Exit code 0 only when the claims that it prints at the
 * end hold, by the store and by the receiver's log.
 */
import { prepareCheckout } from "./prepare.ts";

try {
  const executable = await prepareCheckout();
  // Only now is there anything to import: a fresh clone has no packages before.
  const { runDemo } = await import("./demo/run-demo.ts");
  process.exitCode = (await runDemo(executable)) ? 0 : 1;
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
