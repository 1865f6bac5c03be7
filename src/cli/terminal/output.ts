import { usageError } from "../exit.ts";
import { toJson } from "../text/json-text.ts";
import { plainBlock, plainText, safeJson } from "../text/plain-text.ts";
import { isContinuousIntegration, painter, wantsColor } from "./color.ts";
import type { Stdout } from "./stdout.ts";
import { type Column, renderTable, renderTsv } from "./table.ts";

/** table on a terminal, tsv off it, unless a flag chooses another. */
export type Format = "table" | "tsv" | "json" | "jsonl" | "ids";

/** Read from a command's flags: whatever is not one of these switches, such as an input named jsonl, is no choice. */
export interface FormatFlags {
  readonly json?: unknown;
  readonly jsonl?: unknown;
  readonly quiet?: unknown;
  readonly raw?: unknown;
}

/** How rows of one kind are shown in every format. */
export interface Listing<Row> {
  /** Key of the array in the JSON document. */
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  readonly json: (row: Row) => unknown;
  readonly id: (row: Row) => string;
  /** Said on stderr when there are no rows and a person looks. */
  readonly empty: string;
}

/** One thing with named fields; a field without a value is left out of the text. */
export interface Sheet {
  readonly fields: readonly SheetField[];
  readonly json: unknown;
  readonly id: string;
}

export interface SheetField {
  readonly label: string;
  readonly value: string | undefined;
  /** For people, instead of the whole value. */
  readonly short?: string;
}

/** Writes data to stdout in the chosen format. */
export class Output {
  readonly format: Format;
  readonly paint: ReturnType<typeof painter>;
  private headerShown = false;
  private readonly widths: number[] = [];

  constructor(
    private readonly stdout: Stdout,
    private readonly flags: FormatFlags,
    env: Readonly<Record<string, string | undefined>>,
    private readonly now: () => number = Date.now,
  ) {
    this.format = chooseFormat(flags, stdout.isTerminal);
    this.paint = painter(wantsColor(stdout.isTerminal, env));
    this.interactive = stdout.isTerminal && !isContinuousIntegration(env);
  }

  /** A person reads it: questions may be asked. */
  readonly interactive: boolean;

  /** The reader left; there is nobody to write for. */
  get closed(): boolean {
    return this.stdout.closed;
  }

  get isJson(): boolean {
    return this.format === "json" || this.format === "jsonl";
  }

  /** Text as it is. */
  text(text: string): Promise<void> {
    return this.stdout.write(text);
  }

  /** A JSON document on its own: pretty for --json, one line for --jsonl. */
  document(value: unknown): Promise<void> {
    return this.stdout.write(`${toJson(value, this.format === "jsonl" ? undefined : 2)}\n`);
  }

  /** Data from a job, neutralised unless --raw. */
  safe(text: string): string {
    return this.flags.raw === true ? text : plainText(text);
  }

  safeBlock(text: string): string {
    return this.flags.raw === true ? text : plainBlock(text);
  }

  /** JSON text of a job as it is, without characters that a terminal would act on unless --raw. */
  safeJson(text: string): string {
    return this.flags.raw === true ? text : safeJson(text);
  }

  /**
   * Rows that come in pages. Stops reading when the reader left, unless the pages are acts that must go on without one.
   * Returns the number of rows.
   */
  async list<Row>(
    pages: AsyncIterable<readonly Row[]>,
    listing: Listing<Row>,
    { acts = false }: { readonly acts?: boolean } = {},
  ): Promise<number> {
    let count = 0;
    // Opened with the first page: a call that fails leaves no broken document behind.
    let opening = this.format === "json" ? `{${JSON.stringify(listing.name)}:[` : "";
    for await (const page of pages) {
      await this.text(opening);
      opening = "";
      await this.page(page, listing, count > 0);
      count += page.length;
      if (this.closed && !acts) break;
    }
    if (this.format === "json") await this.text(count === 0 ? `${opening}]}\n` : "\n]}\n");
    return count;
  }

  /** Rows as they come, without a frame around them; --json writes them like --jsonl. */
  async rows<Row>(rows: readonly Row[], listing: Listing<Row>): Promise<void> {
    await this.text(this.format === "json" ? this.jsonLines(rows, listing) : this.render(rows, listing));
  }

  async sheet(sheet: Sheet): Promise<void> {
    switch (this.format) {
      case "json":
      case "jsonl":
        return this.document(sheet.json);
      case "ids":
        return this.text(`${sheet.id}\n`);
      case "tsv":
        return this.text(this.sheetLines(sheet, (field) => `${field.label}\t${this.safe(field.value ?? "")}\n`));
      case "table":
        return this.text(this.sheetTable(sheet));
    }
  }

  private page<Row>(rows: readonly Row[], listing: Listing<Row>, more: boolean): Promise<void> {
    if (this.format !== "json") return this.text(this.render(rows, listing));
    const lines = rows.map((row) => `\n${toJson(listing.json(row))}`).join(",");
    return this.text(more && lines !== "" ? `,${lines}` : lines);
  }

  private render<Row>(rows: readonly Row[], listing: Listing<Row>): string {
    switch (this.format) {
      case "json":
      case "jsonl":
        return this.jsonLines(rows, listing);
      case "ids":
        return rows.map((row) => `${listing.id(row)}\n`).join("");
      case "tsv":
        return renderTsv(rows, listing.columns, (text) => this.safe(text));
      case "table":
        return this.table(rows, listing);
    }
  }

  private jsonLines<Row>(rows: readonly Row[], listing: Listing<Row>): string {
    return rows.map((row) => `${toJson(listing.json(row))}\n`).join("");
  }

  private table<Row>(rows: readonly Row[], listing: Listing<Row>): string {
    const text = renderTable(rows, listing.columns, {
      width: this.stdout.columns ?? Number.POSITIVE_INFINITY,
      now: this.now(),
      header: !this.headerShown,
      widths: this.widths,
      paint: this.paint,
      safe: (cell) => this.safe(cell),
    });
    if (rows.length > 0) this.headerShown = true;
    return text;
  }

  private sheetTable(sheet: Sheet): string {
    const width = Math.max(...sheet.fields.map((field) => (field.value === undefined ? 0 : field.label.length)));
    return this.sheetLines(sheet, (field) => {
      const label = this.paint("dim", field.label.padEnd(width));
      const text = this.safeBlock(field.short ?? field.value ?? "").replaceAll("\n", `\n${" ".repeat(width + 2)}`);
      return `${label}  ${text}\n`;
    });
  }

  private sheetLines(sheet: Sheet, line: (field: SheetField) => string): string {
    return sheet.fields
      .filter((field) => field.value !== undefined)
      .map(line)
      .join("");
  }
}

function chooseFormat(flags: FormatFlags, isTerminal: boolean): Format {
  const chosen = CHOICES.filter(({ name }) => flags[name] === true);
  if (chosen.length > 1) {
    throw usageError(`${chosen.map(({ name }) => `--${name}`).join(" and ")} exclude each other`, "give one of them");
  }
  return chosen[0]?.format ?? (isTerminal ? "table" : "tsv");
}

const CHOICES = [
  { name: "json", format: "json" },
  { name: "jsonl", format: "jsonl" },
  { name: "quiet", format: "ids" },
] as const;
