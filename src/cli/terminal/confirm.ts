import { createInterface } from "node:readline/promises";

/** Asks for confirmation on the terminal. Only y or yes confirms; Ctrl-D means no. Null on Ctrl-C. */
export async function confirm(question: string): Promise<boolean | null> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const stopped = Promise.withResolvers<boolean | null>();
  const stop = (answer: boolean | null) => (): void => {
    // The cursor is still on the line of the question.
    process.stderr.write("\n");
    stopped.resolve(answer);
  };
  terminal.once("SIGINT", stop(null));
  const onClose = stop(false);
  terminal.once("close", onClose);
  try {
    const answer = terminal.question(`${question} [y/N] `).then((text) => /^y(es)?$/i.test(text.trim()));
    return await Promise.race([answer, stopped.promise]);
  } finally {
    terminal.off("close", onClose);
    terminal.close();
  }
}
