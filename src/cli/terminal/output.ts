import { usageError } from "../exit.ts";
import { toJson } from "../text/json-text.ts";
import { plainBlock, plainText, safeJson } from "../text/plain-text.ts";
import { isContinuousIntegration, painter, wantsColor } from "./color.ts";
import type { Stdout } from "./stdout.ts";
import { type Column, renderTable, renderTsv } from "./table.ts";

/** By default table on a terminal and tsv elsewhere; flags select the others. */
export type Format = "table" | "tsv" | "json" | "jsonl" | "ids";

/** Read from a command's flags; only `true` selects a format, so a value flag such as `--jsonl FILE` does not. */
export interface FormatFlags {
  readonly json?: unknown;
  readonly jsonl?: unknown;
  readonly quiet?: unknown;
  readonly raw?: unknown;
}

/** How to print rows of one kind in every format. */
export interface Listing<Row> {
  /** Key of the array in the JSON document. */
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  readonly json: (row: Row) => unknown;
  readonly id: (row: Row) => string;
  /** Printed on stderr if there are no rows, on a terminal. */
  readonly empty: string;
}

/** One object with named fields; fields without a value are omitted from text formats. */
export interface RecordView {
  readonly fields: readonly RecordField[];
  readonly json: unknown;
  readonly id: string;
}

export interface RecordField {
  readonly label: string;
  readonly value: string | undefined;
  /** Shown on a terminal instead of the full value. */
  readonly short?: string;
}

/** Writes data to stdout in the chosen format. */
export class Output {
  readonly format: Format;
  readonly paint: ReturnType<typeof painter>;
  #headerShown = false;
  readonly #widths: number[] = [];
  readonly #stdout: Stdout;
  readonly #flags: FormatFlags;
  readonly #now: () => number;

  constructor(
    stdout: Stdout,
    flags: FormatFlags,
    env: Readonly<Record<string, string | undefined>>,
    now: () => number = Date.now,
  ) {
    this.#stdout = stdout;
    this.#flags = flags;
    this.#now = now;
    this.format = chooseFormat(flags, stdout.isTerminal);
    this.paint = painter(wantsColor(stdout.isTerminal, env));
    this.interactive = stdout.isTerminal && !isContinuousIntegration(env);
  }

  /** Whether a person reads the output, so that prompts are possible. */
  readonly interactive: boolean;

  /** Whether the reader has closed the pipe. */
  get closed(): boolean {
    return this.#stdout.closed;
  }

  get isJson(): boolean {
    return this.format === "json" || this.format === "jsonl";
  }

  /** Writes text unchanged. */
  text(text: string): Promise<void> {
    return this.#stdout.write(text);
  }

  /** Writes one JSON document: indented for --json, on one line for --jsonl. */
  document(value: unknown): Promise<void> {
    return this.#stdout.write(`${toJson(value, this.format === "jsonl" ? undefined : 2)}\n`);
  }

  /** Escapes control characters in job data, unless --raw is set. */
  safe(text: string): string {
    return this.#flags.raw === true ? text : plainText(text);
  }

  safeBlock(text: string): string {
    return this.#flags.raw === true ? text : plainBlock(text);
  }

  /** JSON text of a job with the same value, escaped for terminals unless --raw is set. */
  safeJson(text: string): string {
    return this.#flags.raw === true ? text : safeJson(text);
  }

  /**
   * Writes rows page by page and returns their number. Stops when the reader closes the pipe, unless the pages have side
   * effects that must complete.
   */
  async list<Row>(
    pages: AsyncIterable<readonly Row[]>,
    listing: Listing<Row>,
    { acts = false }: { readonly acts?: boolean } = {},
  ): Promise<number> {
    let count = 0;
    // Written together with the first page, so that a failed call leaves no truncated document.
    let opening = this.format === "json" ? `{${JSON.stringify(listing.name)}:[` : "";
    for await (const page of pages) {
      await this.text(opening);
      opening = "";
      await this.#page(page, listing, count > 0);
      count += page.length;
      if (this.closed && !acts) break;
    }
    if (this.format === "json") await this.text(count === 0 ? `${opening}]}\n` : "\n]}\n");
    return count;
  }

  /** Writes rows without an enclosing document; --json writes them like --jsonl. */
  async rows<Row>(rows: readonly Row[], listing: Listing<Row>): Promise<void> {
    await this.text(this.format === "json" ? this.#jsonLines(rows, listing) : this.#render(rows, listing));
  }

  async record(record: RecordView): Promise<void> {
    switch (this.format) {
      case "json":
      case "jsonl":
        return this.document(record.json);
      case "ids":
        return this.text(`${record.id}\n`);
      case "tsv":
        return this.text(this.#recordLines(record, (field) => `${field.label}\t${this.safe(field.value ?? "")}\n`));
      case "table":
        return this.text(this.#recordTable(record));
    }
  }

  #page<Row>(rows: readonly Row[], listing: Listing<Row>, more: boolean): Promise<void> {
    if (this.format !== "json") return this.text(this.#render(rows, listing));
    const lines = rows.map((row) => `\n${toJson(listing.json(row))}`).join(",");
    return this.text(more && lines !== "" ? `,${lines}` : lines);
  }

  #render<Row>(rows: readonly Row[], listing: Listing<Row>): string {
    switch (this.format) {
      case "json":
      case "jsonl":
        return this.#jsonLines(rows, listing);
      case "ids":
        return rows.map((row) => `${listing.id(row)}\n`).join("");
      case "tsv":
        return renderTsv(rows, listing.columns, (text) => this.safe(text));
      case "table":
        return this.#table(rows, listing);
    }
  }

  #jsonLines<Row>(rows: readonly Row[], listing: Listing<Row>): string {
    return rows.map((row) => `${toJson(listing.json(row))}\n`).join("");
  }

  #table<Row>(rows: readonly Row[], listing: Listing<Row>): string {
    const text = renderTable(rows, listing.columns, {
      width: this.#stdout.columns ?? Number.POSITIVE_INFINITY,
      now: this.#now(),
      header: !this.#headerShown,
      widths: this.#widths,
      paint: this.paint,
      safe: (cell) => this.safe(cell),
    });
    if (rows.length > 0) this.#headerShown = true;
    return text;
  }

  #recordTable(record: RecordView): string {
    const width = Math.max(...record.fields.map((field) => (field.value === undefined ? 0 : field.label.length)));
    return this.#recordLines(record, (field) => {
      const label = this.paint("dim", field.label.padEnd(width));
      const text = this.safeBlock(field.short ?? field.value ?? "").replaceAll("\n", `\n${" ".repeat(width + 2)}`);
      return `${label}  ${text}\n`;
    });
  }

  #recordLines(record: RecordView, line: (field: RecordField) => string): string {
    return record.fields
      .filter((field) => field.value !== undefined)
      .map(line)
      .join("");
  }
}

function chooseFormat(flags: FormatFlags, isTerminal: boolean): Format {
  const chosen = CHOICES.filter(({ name }) => flags[name] === true);
  if (chosen.length > 1) {
    throw usageError(`use only one of ${chosen.map(({ name }) => `--${name}`).join(", ")}`);
  }
  return chosen[0]?.format ?? (isTerminal ? "table" : "tsv");
}

const CHOICES = [
  { name: "json", format: "json" },
  { name: "jsonl", format: "jsonl" },
  { name: "quiet", format: "ids" },
] as const;
