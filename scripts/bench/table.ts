import { formatNumber, type Row } from "./rows.ts";

/** The rows as aligned text, a heading for each group. */
export function renderTable(rows: readonly Row[]): string {
  const lines: string[] = [];
  let group = "";
  for (const row of rows) {
    if (row.group !== group) lines.push("", row.group);
    group = row.group;
    lines.push(renderRow(row));
  }
  return `${lines.join("\n")}\n`;
}

const LABEL_WIDTH = 52;
const VALUE_WIDTH = 10;
const UNIT_WIDTH = 6;
const RANGE_WIDTH = 20;

function renderRow(row: Row): string {
  const range = row.rounds === 1 ? "" : `${formatNumber(row.min)}..${formatNumber(row.max)}`;
  const verdict = row.isMet === null ? "    " : row.isMet ? "PASS" : "FAIL";
  const line = [
    `  ${row.label.padEnd(LABEL_WIDTH)}`,
    formatNumber(row.median).padStart(VALUE_WIDTH),
    row.unit.padEnd(UNIT_WIDTH),
    range.padEnd(RANGE_WIDTH),
    verdict,
    row.target,
  ].join(" ");
  return line.trimEnd();
}
