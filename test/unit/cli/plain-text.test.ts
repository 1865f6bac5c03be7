import { describe, expect, test } from "bun:test";
import { plainBlock, plainText, safeJson } from "../../../src/cli/text/plain-text.ts";

describe("text from a job on a terminal", () => {
  test("C0, DEL and C1 controls are shown by name", () => {
    expect(plainText("\u001b[31mred\u001b[0m\u0007\u007f\u009b2J")).toBe("\\x1b[31mred\\x1b[0m\\x07\\x7f\\x9b2J");
  });

  test("newlines, returns and tabs cannot forge a row", () => {
    expect(plainText("a\nb\r\tc")).toBe("a\\nb\\r\\tc");
  });

  test("what turns or hides text is shown", () => {
    expect(plainText("\u202eevil\u2066x\u200b\ufeff")).toBe("\\u{202e}evil\\u{2066}x\\u{200b}\\u{feff}");
  });

  test("a block keeps its newlines and tabs, nothing else", () => {
    expect(plainBlock("a\n\tb\r\u001b[2J")).toBe("a\n\tb\\r\\x1b[2J");
  });

  test("ordinary text of any script is left alone", () => {
    const text = "Grüße, 日本語, עברית, 👩‍🚀".replaceAll("\u200d", "");
    expect(plainText(text)).toBe(text);
  });

  test("JSON stays the same value", () => {
    const value = { text: "\u0085\u202e\u2028\n" };
    expect(JSON.parse(safeJson(JSON.stringify(value, null, 2)))).toEqual(value);
  });
});
