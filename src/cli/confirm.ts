import { createInterface } from "node:readline/promises";

/** Asks on the terminal; only y or yes is yes. Ctrl-C and Ctrl-D are no. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const stopped = Promise.withResolvers<string>();
  terminal.once("SIGINT", () => stopped.resolve(""));
  terminal.once("close", () => stopped.resolve(""));
  try {
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), stopped.promise]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
