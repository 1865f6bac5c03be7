import { safeJson } from "./plain-text.ts";

// ES2025; TypeScript's library does not declare it yet.
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/**
 * The value of JSON bytes, for embedding in a document; numbers beyond a double's precision keep their digits. Empty
 * bytes are null, and bytes that are not JSON (which the daemon does not check) are a string.
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

/** JSON.parse, except that a number which JavaScript would write differently is kept as it is written. */
export function parseExact(text: string): unknown {
  if (!mayLoseDigits(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    return typeof value === "number" && source !== undefined && String(value) !== source ? rawJson(source) : value;
  });
}

/** Whether JSON text could hold a number that a double cannot. Cheap, and true a little too often. */
export function mayLoseDigits(text: string): boolean {
  return /\d{16}|\d[eE][+-]?\d/.test(text);
}

/** A JSON document with no character that a terminal would act on. */
export function toJson(value: unknown, indent?: number): string {
  return safeJson(JSON.stringify(value, null, indent));
}

/**
 * Where JSON text goes wrong, or null when it is well-formed. Column and line count from 1, in UTF-16 units.
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

/** The platform's own reader decides; ours only finds the place. */
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
// The longest well-formed start of a string, to point at the character that breaks it.
const STRING_START = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

class JsonReader {
  private at = 0;

  constructor(private readonly text: string) {}

  fault(): number | null {
    this.take(SPACE);
    if (!this.value()) return this.at;
    return this.at < this.text.length ? this.at : null;
  }

  private value(): boolean {
    const first = this.text[this.at];
    const ok =
      first === "["
        ? this.list("]", () => this.value())
        : first === "{"
          ? this.list("}", () => this.member())
          : first === '"'
            ? this.string()
            : this.take(NUMBER) || this.take(WORD);
    if (ok) this.take(SPACE);
    return ok;
  }

  private list(end: string, item: () => boolean): boolean {
    this.at++;
    this.take(SPACE);
    if (this.takeCharacter(end)) return true;
    do {
      if (!item()) return false;
    } while (this.takeCharacter(","));
    return this.takeCharacter(end);
  }

  private member(): boolean {
    if (this.text[this.at] !== '"' || !this.string()) return false;
    this.take(SPACE);
    return this.takeCharacter(":") && this.value();
  }

  private string(): boolean {
    if (this.take(STRING)) return true;
    this.take(STRING_START);
    return false;
  }

  private takeCharacter(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    this.take(SPACE);
    return true;
  }

  private take(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.text)) return false;
    this.at = pattern.lastIndex;
    return true;
  }
}
