import { expect } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Holds a text against the committed file of this name. `UPDATE_GOLDEN=1 bun test test/golden` writes the files anew;
 * read the difference before committing it.
 */
export function expectGolden(name: string, text: string): void {
  const file = resolve(import.meta.dir, name);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
}
