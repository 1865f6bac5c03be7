import { plainText } from "../text/plain-text.ts";
import type { Paint } from "./color.ts";

/** One column of a listing. */
export interface Column<Row> {
  readonly header: string;
  /** The full value, for pipes; also shown on a terminal unless `short` is set. */
  readonly value: (row: Row) => string;
  /** The value for a terminal: short IDs, relative times. */
  readonly short?: (row: Row, now: number) => string;
  readonly align?: "right";
  readonly paint?: (row: Row) => Paint | undefined;
}

export interface TableStyle {
  /** Width of the terminal; longer lines are truncated with an ellipsis. */
  readonly width: number;
  readonly now: number;
  readonly header: boolean;
  /** Column widths of the previous pages, widened by this one, so that pages align. */
  readonly widths: number[];
  readonly paint: (paint: Paint, text: string) => string;
  readonly safe: (text: string) => string;
}

const GAP = "  ";

/** Renders aligned lines, each with a newline; "" without rows. */
export function renderTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], style: TableStyle): string {
  if (rows.length === 0) return "";
  const cells = rows.map((row) =>
    columns.map((column) => oneLine(style.safe((column.short ?? column.value)(row, style.now)))),
  );
  for (const [index, column] of columns.entries()) {
    const widest = Math.max(...cells.map((line) => Bun.stringWidth(line[index] ?? "")));
    style.widths[index] = Math.max(style.widths[index] ?? (style.header ? column.header.length : 0), widest);
  }
  const lines = cells.map((line, row) => joinCells(line, columns, style, (column) => column.paint?.(rows[row] as Row)));
  const headers = columns.map((column) => column.header);
  if (style.header) lines.unshift(joinCells(headers, columns, style, () => "dim"));
  return lines.map((line) => `${line}\n`).join("");
}

function oneLine(text: string): string {
  return text.replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

function joinCells<Row>(
  cells: readonly string[],
  columns: readonly Column<Row>[],
  style: TableStyle,
  paintOf: (column: Column<Row>) => Paint | undefined,
): string {
  const parts: string[] = [];
  let left = style.width;
  for (const [index, column] of columns.entries()) {
    if (left <= 0) break;
    const isLast = index === columns.length - 1;
    const width = Math.min(style.widths[index] ?? 0, left);
    const text = fit(cells[index] ?? "", width, column.align === "right", isLast);
    const paint = paintOf(column);
    parts.push(paint === undefined || text.trim() === "" ? text : style.paint(paint, text));
    left -= width + GAP.length;
  }
  return parts.join(GAP).trimEnd();
}

function fit(text: string, width: number, right: boolean, last: boolean): string {
  const length = Bun.stringWidth(text);
  if (length > width) return cut(text, width);
  if (right) return " ".repeat(width - length) + text;
  return last ? text : text + " ".repeat(width - length);
}

function cut(text: string, width: number): string {
  let kept = "";
  let length = 0;
  for (const character of text) {
    const next = Bun.stringWidth(character);
    if (length + next > width - 1) break;
    kept += character;
    length += next;
  }
  return `${kept}…${" ".repeat(Math.max(0, width - length - 1))}`;
}

/** Renders tab-separated lines without a header; tabs and newlines inside a value become \t and \n. */
export function renderTsv<Row>(rows: readonly Row[], columns: readonly Column<Row>[], safe = plainText): string {
  return rows.map((row) => `${columns.map((column) => oneLine(safe(column.value(row)))).join("\t")}\n`).join("");
}
