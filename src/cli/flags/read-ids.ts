import { usageError } from "../exit.ts";
import type { Messages } from "../terminal/messages.ts";
import { checkJobId } from "../text/job-id.ts";
import { stdinLines } from "./read-input.ts";

/**
 * Reads job IDs from the arguments; `-` reads them from stdin, one per line. Only the first word of a line counts, so that
 * the output of `jobs list` works, too. Returns each ID once, in order.
 *
 * @throws CliError `usage` that names the invalid ID and, on stdin, its line
 */
export async function readIds(operands: readonly string[], messages: Messages): Promise<readonly string[]> {
  const ids = new Set<string>();
  for (const operand of operands) {
    if (operand !== "-") ids.add(checkJobId(operand));
    else for await (const id of stdinIds(messages)) ids.add(id);
  }
  if (ids.size === 0)
    throw usageError("stdin contains no job IDs", "pass job IDs as arguments, or one per line on stdin");
  return [...ids];
}

async function* stdinIds(messages: Messages): AsyncGenerator<string> {
  let number = 0;
  for await (const lines of stdinLines((text) => messages.info(text))) {
    for (const line of lines) {
      number++;
      const [word = ""] = line.trim().split(/\s+/);
      if (word !== "") yield idOfLine(word, number);
    }
  }
}

function idOfLine(word: string, line: number): string {
  try {
    return checkJobId(word);
  } catch (error) {
    throw usageError(`line ${line} of stdin: ${error instanceof Error ? error.message : String(error)}`);
  }
}
