/**
 * Reads Markdown files for their tests. A comment before a fence says how it is tested:
 *
 *     <!-- test: world=NAME -->            run; snippets of one world share a directory, a shell or a program
 *     <!-- test: world=NAME file=PATH -->  written to this file of the world, for its other snippets
 *     <!-- test: output -->                what the snippet before it prints; `…` stands for anything within a line
 *     <!-- test: not run, REASON -->       not run
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../support/executable.ts";

/** A fenced block, with what its comment says. */
export interface Snippet {
  readonly language: string;
  readonly text: string;
  /** Of its fence, from 1. */
  readonly line: number;
  readonly fate: Fate;
  /** What it prints, when the document shows it. */
  readonly output: string | null;
}

export type Fate =
  | { readonly kind: "run"; readonly world: string }
  | { readonly kind: "file"; readonly world: string; readonly path: string }
  | { readonly kind: "output" }
  | { readonly kind: "not run"; readonly reason: string }
  /** No comment. */
  | { readonly kind: "unmarked" };

/** A table under its heading; cells without the spaces around them. */
export interface Table {
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A file of the checkout. */
export function readDocument(path: string): string {
  return readFileSync(join(checkout, path), "utf8");
}

/** The guides beside the README: `docs/jobs.md`. */
export const guides: readonly string[] = pagesOf("docs");

/** Why things are as they are, by subject: `docs/decisions/leases.md`. */
export const decisions: readonly string[] = pagesOf("docs/decisions");

function pagesOf(folder: string): readonly string[] {
  return readdirSync(join(checkout, folder))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** All fenced blocks in order. Throws for a comment that it does not know. */
export function readSnippets(document: string): readonly Snippet[] {
  const snippets: Snippet[] = [];
  const lines = document.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const language = /^```(\w+)$/.exec(lines[index]!)?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf("```", index);
    const text = lines.slice(index + 1, end).join("\n");
    const fate = fateOf(lines[index - 1] === "" ? lines[index - 2]! : lines[index - 1]!);
    if (fate.kind === "output") snippets.push({ ...snippets.pop()!, output: text });
    else snippets.push({ language, text, line: index + 1, fate, output: null });
    index = end;
  }
  return snippets;
}

function fateOf(line: string): Fate {
  const words = /^<!-- test: (.*) -->$/.exec(line)?.[1];
  if (words === undefined) return { kind: "unmarked" };
  if (words === "output") return { kind: "output" };
  const [, world, path, reason] = /^(?:world=([\w-]+)(?: file=([\w./-]+))?|not run, (.+))$/.exec(words) ?? [];
  if (world !== undefined && path !== undefined) return { kind: "file", world, path };
  if (world !== undefined) return { kind: "run", world };
  if (reason !== undefined) return { kind: "not run", reason };
  throw new Error(`unknown comment: ${line}`);
}

/** All tables in order. */
export function readTables(document: string): readonly Table[] {
  const tables: Table[] = [];
  let heading = "";
  let rows: string[][] = [];
  for (const line of [...document.split("\n"), ""]) {
    heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
    if (line.startsWith("|")) rows.push(cellsOf(line));
    else if (rows.length > 0) {
      const [columns = [], , ...body] = rows;
      tables.push({ heading, columns, rows: body });
      rows = [];
    }
  }
  return tables;
}

/** A `|` inside a cell is written `\|`. */
function cellsOf(line: string): string[] {
  return line
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** The only table with this first column; throws when there is none or another one. */
export function tableOf(document: string, heading: string, firstColumn: string): Table {
  const found = readTables(document).filter((table) => table.heading === heading && table.columns[0] === firstColumn);
  if (found.length === 1) return found[0]!;
  throw new Error(`${found.length} tables under "${heading}" begin with the column "${firstColumn}"`);
}
