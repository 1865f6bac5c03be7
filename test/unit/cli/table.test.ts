import { describe, expect, test } from "bun:test";
import { painter } from "../../../src/cli/terminal/color.ts";
import { type Column, renderTable, renderTsv } from "../../../src/cli/terminal/table.ts";
import { plainText } from "../../../src/cli/text/plain-text.ts";

interface Row {
  readonly id: string;
  readonly count: number;
  readonly note: string;
}

const columns: readonly Column<Row>[] = [
  { header: "ID", value: (row) => row.id, short: (row) => row.id.slice(0, 3) },
  { header: "COUNT", value: (row) => String(row.count), align: "right" },
  { header: "NOTE", value: (row) => row.note, paint: (row) => (row.note === "bad" ? "red" : undefined) },
];
const rows: readonly Row[] = [
  { id: "abcdef", count: 7, note: "fine" },
  { id: "日本語x", count: 1_234, note: "bad" },
];
const style = () => ({
  width: 80,
  now: 0,
  header: true,
  widths: [],
  paint: painter(false),
  safe: plainText,
});

describe("a table", () => {
  test("is aligned by display width, with short values", () => {
    expect(renderTable(rows, columns, style())).toBe(
      ["ID      COUNT  NOTE", "abc         7  fine", "日本語   1234  bad", ""].join("\n"),
    );
  });

  test("is cut at the width of the terminal, with an ellipsis", () => {
    const long = [{ id: "a", count: 1, note: "x".repeat(100) }];
    const text = renderTable(long, columns, { ...style(), width: 30, header: false });
    expect(text).toBe(`a  1  ${"x".repeat(23)}…\n`);
    expect(Bun.stringWidth(text.trimEnd())).toBe(30);
  });

  test("colours only the value, and only when asked", () => {
    const text = renderTable(rows, columns, { ...style(), paint: painter(true) });
    expect(text).toContain("\u001b[31mbad\u001b[39m");
    expect(renderTable(rows, columns, style())).not.toContain("\u001b");
  });

  test("a value cannot add a row or steer the terminal", () => {
    const evil = [{ id: "abc", count: 1, note: "a\nb\u001b[2J" }];
    expect(renderTable(evil, columns, { ...style(), header: false })).toBe("abc  1  a\\nb\\x1b[2J\n");
    expect(renderTable(evil, columns, { ...style(), header: false, safe: (text) => text }).split("\n")).toHaveLength(2);
  });

  test("keeps the widths of the pages before", () => {
    const shared = { ...style(), widths: [] };
    renderTable([{ id: "abc", count: 1, note: "a long note" }], columns, shared);
    const next = renderTable([{ id: "x", count: 22, note: "n" }], columns, { ...shared, header: false });
    expect(next).toBe("x       22  n\n");
  });

  test("is nothing without rows", () => {
    expect(renderTable([], columns, style())).toBe("");
  });
});

describe("tab-separated rows", () => {
  test("have whole values and no header", () => {
    expect(renderTsv(rows, columns)).toBe("abcdef\t7\tfine\n日本語x\t1234\tbad\n");
  });

  test("keep their shape whatever a value holds, also with --raw", () => {
    const evil = [{ id: "a\tb", count: 1, note: "x\ny" }];
    expect(renderTsv(evil, columns)).toBe("a\\tb\t1\tx\\ny\n");
    expect(renderTsv(evil, columns, (text) => text)).toBe("a\\tb\t1\tx\\ny\n");
  });
});
