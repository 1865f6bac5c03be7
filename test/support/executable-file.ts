import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reseolioCommand } from "./executable.ts";

let file: string | undefined;

/** One file that starts Reseolio as `reseolioCommand` says, for whoever wants the path of an executable. */
export function executableFile(): string {
  file ??= makeFile();
  return file;
}

function makeFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "reseolio-executable-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "reseolio");
  const words = reseolioCommand().map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  writeFileSync(path, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
