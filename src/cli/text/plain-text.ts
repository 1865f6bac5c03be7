/**
 * Job data must not control the terminal: C0 and C1 controls, DEL, and characters that hide text or change its direction
 * are printed as escapes.
 */
// eslint-disable-next-line no-control-regex -- matching control characters is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line of safe text: newlines and tabs become \n and \t, other controls \xNN or \u{NNNN}. */
export function plainText(text: string): string {
  return text.replace(UNSAFE, escapeOf);
}

/** Safe text that keeps its newlines and tabs, for stacks and results shown as a block. */
export function plainBlock(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === "\n" || character === "\t" ? character : escapeOf(character),
  );
}

function escapeOf(character: string): string {
  switch (character) {
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    default: {
      const code = character.charCodeAt(0);
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
    }
  }
}

/** JSON text with the same value, in which unsafe characters inside strings are escaped as \uNNNN. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE, (character) =>
    character === "\n" || character === "\t" || character === "\r"
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
