/**
 * What job data may do to a terminal: nothing. C0 and C1 controls, DEL, and the characters that turn the direction of
 * text or hide it are shown by name instead of being sent.
 */
// eslint-disable-next-line no-control-regex -- naming control characters is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line of safe text: newlines and tabs become \n and \t, other controls \xNN or \u{NNNN}. */
export function plainText(text: string): string {
  return text.replace(UNSAFE, nameOf);
}

/** Safe text that keeps its newlines and tabs, for stacks and results shown as a block. */
export function plainBlock(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === "\n" || character === "\t" ? character : nameOf(character),
  );
}

function nameOf(character: string): string {
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

/** JSON text with every unsafe character inside its strings written as \uNNNN: the same value, safe on a terminal. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE, (character) =>
    character === "\n" || character === "\t" || character === "\r"
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
