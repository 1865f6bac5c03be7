import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { checkout } from "./executable.ts";

/** A file of the checkout, with what its text says about other modules. */
export interface SourceFile {
  /** From the root of the checkout, with slashes: `src/sdk/worker/worker.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out, line for line. */
  readonly code: string;
  /** Paths from the root for our own modules, specifiers as written for all others. Type-only imports count too. */
  readonly imports: readonly string[];
}

/** Every file of these folders with this ending, generated code left out. */
export function sourceFiles(folders: readonly string[], ending = ".ts"): readonly SourceFile[] {
  return folders.flatMap((folder) => readFolder(folder, ending));
}

function readFolder(folder: string, ending: string): readonly SourceFile[] {
  return readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name).replaceAll("\\", "/"))
    .filter((path) => path.endsWith(ending) && !/(^|\/)(gen|node_modules|dist)\//.test(path))
    .toSorted()
    .map(readSource);
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(checkout, path), "utf8");
  const code = withoutComments(text);
  return { path, text, code, imports: findImports(path, code) };
}

/** Strings and templates are kept whole, so that a `//` inside one does not hide what follows. */
export function withoutComments(text: string): string {
  const token = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[^])*`|\/\/[^\n]*|\/\*[^]*?\*\//g;
  return text.replaceAll(token, (found) =>
    found.startsWith("//") || found.startsWith("/*") ? found.replaceAll(/[^\n]/g, " ") : found,
  );
}

function findImports(path: string, code: string): readonly string[] {
  const statement = /(?:^|[\s;])(?:import|export)\b[^"';=]*?\bfrom\s*["']([^"']+)["']/g;
  const bare = /(?:^|[\s;])import\s*["']([^"']+)["']/g;
  const dynamic = /\b(?:import|require)\s*\(\s*["']([^"']+)["']/g;
  const found = [statement, bare, dynamic].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]!));
  return [...new Set(found)].map((specifier) => fromRoot(path, specifier));
}

function fromRoot(path: string, specifier: string): string {
  if (specifier.startsWith("#proto/")) return `proto/${specifier.slice("#proto/".length)}`;
  if (!specifier.startsWith(".")) return specifier;
  return relative(checkout, resolve(checkout, dirname(path), specifier)).replaceAll("\\", "/");
}
