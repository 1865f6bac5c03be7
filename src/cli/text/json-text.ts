import { safeJson } from "./plain-text.ts";

// ES2025; TypeScript's library does not declare it yet.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/**
 * Parses JSON bytes to embed them in a document. Numbers beyond the precision of a double keep their digits. Empty bytes
 * become null, and bytes that are not JSON (the daemon does not check them) become a string.
 */
export function embedJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return null;
  const text = new TextDecoder().decode(bytes);
  try {
    return parseExact(text);
  } catch {
    return text;
  }
}

/** Like JSON.parse, but keeps the original text of numbers that JavaScript would write differently. */
export function parseExact(text: string): unknown {
  if (!mayLoseDigits(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    return typeof value === "number" && source !== undefined && String(value) !== source ? rawJson(source) : value;
  });
}

/** Whether JSON text may contain a number that a double cannot represent. A cheap check with false positives. */
export function mayLoseDigits(text: string): boolean {
  return /\d{16}|\d[eE][+-]?\d/.test(text);
}

/** Serializes a value to JSON without characters that a terminal would interpret. */
export function toJson(value: unknown, indent?: number): string {
  return safeJson(JSON.stringify(value, null, indent));
}

/**
 * Finds the first syntax error in JSON text; null if the text is well-formed. Lines and columns (UTF-16 units) start at 1.
 */
export function findJsonFault(
  text: string,
): { readonly line: number; readonly column: number; readonly found: string } | null {
  const offset = isJson(text) ? null : new JsonReader(text).fault();
  if (offset === null) return null;
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - (before.lastIndexOf("\n") + 1) + 1;
  const found =
    offset >= text.length ? "end of text" : JSON.stringify(String.fromCodePoint(text.codePointAt(offset) ?? 0));
  return { line, column, found };
}

/** The built-in parser decides whether text is JSON; JsonReader only locates the error. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
// The longest valid beginning of a string, to locate the first invalid character.
const STRING_START = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

class JsonReader {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  fault(): number | null {
    this.#take(SPACE);
    if (!this.#value()) return this.#at;
    return this.#at < this.#text.length ? this.#at : null;
  }

  #value(): boolean {
    const first = this.#text[this.#at];
    const ok =
      first === "["
        ? this.#list("]", () => this.#value())
        : first === "{"
          ? this.#list("}", () => this.#member())
          : first === '"'
            ? this.#string()
            : this.#take(NUMBER) || this.#take(WORD);
    if (ok) this.#take(SPACE);
    return ok;
  }

  #list(end: string, item: () => boolean): boolean {
    this.#at++;
    this.#take(SPACE);
    if (this.#takeCharacter(end)) return true;
    do {
      if (!item()) return false;
    } while (this.#takeCharacter(","));
    return this.#takeCharacter(end);
  }

  #member(): boolean {
    if (this.#text[this.#at] !== '"' || !this.#string()) return false;
    this.#take(SPACE);
    return this.#takeCharacter(":") && this.#value();
  }

  #string(): boolean {
    if (this.#take(STRING)) return true;
    this.#take(STRING_START);
    return false;
  }

  #takeCharacter(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    this.#take(SPACE);
    return true;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }
}
