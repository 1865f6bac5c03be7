import { accessSync, constants, readFileSync } from "node:fs";
import { type CliError, usageError } from "../exit.ts";
import { findJsonFault } from "../text/json-text.ts";

/** @throws CliError `usage` that names what the file is for */
export function readTextFile(path: string, purpose: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(path, purpose, error);
  }
}

function unreadable(path: string, purpose: string, error: unknown): CliError {
  const why = error instanceof Error ? error.message : String(error);
  return usageError(`${purpose}: ${path} cannot be read (${why})`, "give the path of a readable file");
}

/** All of stdin. Says so on a terminal, where it would otherwise look as if nothing happened. */
async function readStdin(say: (text: string) => void): Promise<string> {
  if (process.stdin.isTTY) say("reading stdin; end it with Ctrl-D");
  return await Bun.stdin.text();
}

/** Lines of stdin, as many at a time as have come. */
export function stdinLines(say: (text: string) => void): AsyncGenerator<readonly string[]> {
  if (process.stdin.isTTY) say("reading stdin; end it with Ctrl-D");
  return linesOf(Bun.stdin.stream());
}

/**
 * Lines of a file, many at a time.
 *
 * @throws CliError `usage` that names what the file is for
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
 * Lines without their ends, the last one also without a newline. Empty lines are kept, so that line numbers are right.
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

/** The text that a flag such as `--args` names: itself, `@file`, or `-` for stdin. */
export async function readTextFlag(flag: string, text: string, say: (text: string) => void): Promise<string> {
  if (text === "-") return readStdin(say);
  return text.startsWith("@") ? readTextFile(text.slice(1), flag) : text;
}

/**
 * Checks that text is a JSON array and returns its bytes as they are: the daemon stores them unread, numbers keep all
 * their digits.
 *
 * @param where names the input in the message, such as `--args` or `line 3: args`
 * @throws CliError `usage` with the line and column of the fault
 */
export function argsBytes(text: string, where: string): Uint8Array {
  const bytes = jsonBytes(text, where, ARRAY_HINT);
  if (!text.trimStart().startsWith("[")) throw usageError(`${where} is no JSON array: ${excerpt(text)}`, ARRAY_HINT);
  return bytes;
}

/** As `argsBytes`, for any JSON value. */
export function jsonBytes(text: string, where: string, hint: string): Uint8Array {
  const fault = findJsonFault(text);
  if (fault === null) return new TextEncoder().encode(text.trim());
  const at = text.includes("\n") ? `line ${fault.line}, column ${fault.column}` : `column ${fault.column}`;
  throw usageError(`${where} is not JSON: unexpected ${fault.found} at ${at} of ${excerpt(text)}`, hint);
}

const ARRAY_HINT = `give the arguments as a JSON array, such as '["hello", 1]'`;
const EXCERPT = 60;

function excerpt(text: string): string {
  const whole = text.trim();
  return JSON.stringify(whole.length > EXCERPT ? `${whole.slice(0, EXCERPT)}…` : whole);
}
