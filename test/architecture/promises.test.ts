/** docs/promises.md: every number that is cited anywhere is there, and every promise that is built has its tests. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../support/executable.ts";
import { sourceFiles } from "../support/source-files.ts";

interface Promised {
  /** `P7` */
  readonly number: string;
  readonly isBuilt: boolean;
  /** Everything under its heading. */
  readonly text: string;
}

const page = join(checkout, "docs/promises.md");
const readme = { path: "README.md", text: readFileSync(join(checkout, "README.md"), "utf8") };
const code = sourceFiles(["src", "proto", "test", "scripts", "examples"]);
const documents = sourceFiles(["src", "docs", "examples"], ".md").filter(({ path }) => path !== "docs/promises.md");
const citing = [...code, ...documents, readme].filter(({ path }) => path !== "test/architecture/promises.test.ts");
const tests = code.filter(
  ({ path }) => /^test\/.*(\.test|-suite)\.ts$/.test(path) && citing.some((one) => one.path === path),
);

test("the promises are numbered without gaps", () => {
  const numbers = read().map(({ number }) => number);
  expect(numbers.length).toBeGreaterThan(20);
  expect(numbers).toEqual(numbers.map((_, index) => `P${index + 1}`));
});

test("every number that is cited exists", () => {
  const known = new Set(read().map(({ number }) => number));
  const unknown = citing.flatMap(({ path, text }) => {
    const cited = [...text.matchAll(/\bP\d{1,2}\b/g)].map(([number]) => number);
    return cited.filter((number) => !known.has(number)).map((number) => `${path} cites ${number}`);
  });
  expect(unknown).toEqual([]);
});

/** `UPDATE_GOLDEN=1 bun test test/architecture/promises` writes the lists again. */
test("each promise that is built lists the tests that cite it, and there are some", () => {
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(page, withLists(readFileSync(page, "utf8")));
  for (const { number, isBuilt, text } of read()) {
    const listed = text.split("\n").filter((line) => line.startsWith("- "));
    expect({ number, tests: listed }).toEqual({ number, tests: [...listOf(number)] });
    expect({ number, isHeld: listed.length > 0 }).toEqual({ number, isHeld: isBuilt });
  }
});

function read(): readonly Promised[] {
  const [built = "", planned = ""] = readFileSync(page, "utf8").split("\n## Not built yet\n");
  return [...sections(built, true), ...sections(planned, false)];
}

function sections(text: string, isBuilt: boolean): readonly Promised[] {
  return [...text.matchAll(/^#+ (P\d+): [^]*?(?=^#|$(?![^]))/gm)].map(([section, number = ""]) => ({
    number,
    isBuilt,
    text: section,
  }));
}

function listOf(number: string): readonly string[] {
  const word = new RegExp(`\\b${number}\\b`);
  return tests.filter(({ text }) => word.test(text)).map(({ path }) => `- [${path}](../${path})`);
}

function withLists(text: string): string {
  const bare = text.replaceAll(/^- \[test\/.*\n/gm, "").replaceAll(/\n{3,}/g, "\n\n");
  return bare.replaceAll(/^#+ (P\d+): .*\n\n(?:.+\n)+/gm, (section, number: string) => {
    const list = listOf(number);
    return list.length === 0 ? section : `${section}\n${list.join("\n")}\n`;
  });
}
