import { accessSync, constants, readFileSync } from "node:fs";
import { type CliError, usageError } from "../exit.ts";
import { findJsonFault } from "../text/json-text.ts";

/** @throws CliError `usage` that names the purpose of the file */
export function readTextFile(path: string, purpose: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(path, purpose, error);
  }
}

function unreadable(path: string, purpose: string, error: unknown): CliError {
  const why = error instanceof Error ? error.message : String(error);
  return usageError(`${purpose}: cannot read ${path} (${why})`, "use the path of a readable file");
}

/** Reads all of stdin. Says so on a terminal, where the command would otherwise seem to hang. */
async function readStdin(say: (text: string) => void): Promise<string> {
  if (process.stdin.isTTY) say("reading from stdin; press Ctrl-D to end");
  return await Bun.stdin.text();
}

/** Yields lines of stdin as they arrive, several at a time. */
export function stdinLines(say: (text: string) => void): AsyncGenerator<readonly string[]> {
  if (process.stdin.isTTY) say("reading from stdin; press Ctrl-D to end");
  return linesOf(Bun.stdin.stream());
}

/**
 * Yields lines of a file, many at a time.
 *
 * @throws CliError `usage` that names the purpose of the file
 */
export function fileLines(path: string, purpose: string): AsyncGenerator<readonly string[]> {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw unreadable(path, purpose, error);
  }
  return linesOf(Bun.file(path).stream());
}

/**
 * Splits text into lines without line endings; the last line needs no newline. Keeps empty lines, so that line numbers
 * stay correct.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield lines.map(withoutReturn);
  }
  rest += decoder.decode();
  if (rest !== "") yield [withoutReturn(rest)];
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** The value of a flag such as `--args`: the text itself, the contents of `@file`, or stdin for `-`. */
export async function readTextFlag(flag: string, text: string, say: (text: string) => void): Promise<string> {
  if (text === "-") return readStdin(say);
  return text.startsWith("@") ? readTextFile(text.slice(1), flag) : text;
}

/**
 * Checks that the text is a JSON array and returns its bytes unchanged: the daemon stores them without parsing, so numbers
 * keep all their digits.
 *
 * @param where the name of the input in error messages, such as `--args` or `line 3: args`
 * @throws CliError `usage` with the line and column of the syntax error
 */
export function argsBytes(text: string, where: string): Uint8Array {
  const bytes = jsonBytes(text, where, ARRAY_HINT);
  if (!text.trimStart().startsWith("[")) throw usageError(`${where} is not a JSON array: ${excerpt(text)}`, ARRAY_HINT);
  return bytes;
}

/** Like `argsBytes`, but for any JSON value. */
export function jsonBytes(text: string, where: string, hint: string): Uint8Array {
  const fault = findJsonFault(text);
  if (fault === null) return new TextEncoder().encode(text.trim());
  const at = text.includes("\n") ? `line ${fault.line}, column ${fault.column}` : `column ${fault.column}`;
  throw usageError(`${where} is not valid JSON: unexpected ${fault.found} at ${at} of ${excerpt(text)}`, hint);
}

const ARRAY_HINT = `use a JSON array such as '["hello", 1]'`;
const EXCERPT = 60;

function excerpt(text: string): string {
  const whole = text.trim();
  return JSON.stringify(whole.length > EXCERPT ? `${whole.slice(0, EXCERPT)}…` : whole);
}
