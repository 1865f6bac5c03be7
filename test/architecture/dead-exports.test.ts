/** Every export of the source has an importer, or is what users import. */
import { expect, test } from "bun:test";
import { type SourceFile, sourceFiles } from "../support/source-files.ts";

const src = sourceFiles(["src"]);
const importers = Map.groupBy(
  [...src, ...sourceFiles(["proto", "test", "scripts", "examples"])].flatMap((file) =>
    file.imports.map((path) => ({ path, code: file.code })),
  ),
  ({ path }) => path,
);
/** What npm offers, and the program's first file. */
const PUBLIC = ["src/sdk/index.ts", "src/testing/index.ts", "src/cli/main.ts"];

test("every export has an importer that names it", () => {
  const dead = src.flatMap((file) =>
    unusedExports(
      file,
      (importers.get(file.path) ?? []).map(({ code }) => code),
    ),
  );
  expect(dead).toEqual([]);
});

test("an export that nobody imports is found", () => {
  const code = "export const used = 1;\nexport async function unused() {}\nexport type Also = string;";
  const file = { path: "src/x.ts", text: code, code, imports: [] };
  expect(unusedExports(file, ['import { used } from "./x.ts";'])).toEqual(["src/x.ts: unused", "src/x.ts: Also"]);
});

function unusedExports({ path, code }: SourceFile, importing: readonly string[]): readonly string[] {
  if (PUBLIC.includes(path)) return [];
  const declared = /^export (?:declare |abstract |async )*(const|let|function\*?|class|interface|type|enum) (\w+)/gm;
  return [...code.matchAll(declared)].flatMap(([, kind = "", name = ""]) => {
    const word = new RegExp(`\\b${name}\\b`, "g");
    // A type may be exported for the signature of another export of its file.
    const inSignature = ["interface", "type"].includes(kind) && (code.match(word)?.length ?? 0) > 1;
    return inSignature || importing.some((text) => text.search(word) >= 0) ? [] : [`${path}: ${name}`];
  });
}
