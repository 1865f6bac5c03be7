import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tempDir } from "./temp-dir.ts";

/** A copy of an SQLite file as a crash left it, opened by SQLite alone, without a line of Reseolio. */
export interface CrashedDatabase extends AsyncDisposable {
  /** "ok", or what is broken. */
  integrity(): string;
  /** Rows of a query. */
  rows<Row>(sql: string, ...parameters: (string | number | Uint8Array)[]): Row[];
}

/** @param path of a database that no process has open, or that is only read */
export async function openCrashedDatabase(path: string): Promise<CrashedDatabase> {
  await using starting = new AsyncDisposableStack();
  const copy = starting.use(await tempDir("reseolio-copy-")).file("copy.db");
  await copyFile(path, copy);
  for (const suffix of ["-wal", "-journal"]) {
    if (existsSync(`${path}${suffix}`)) await copyFile(`${path}${suffix}`, `${copy}${suffix}`);
  }
  const db = new Database(copy);
  starting.defer(() => db.close());
  const rows = <Row>(sql: string, ...parameters: (string | number | Uint8Array)[]): Row[] =>
    db.query<Row, (string | number | Uint8Array)[]>(sql).all(...parameters);
  const owned = starting.move();
  return {
    rows,
    integrity: () =>
      rows<{ integrity_check: string }>("pragma integrity_check")
        .map((row) => row.integrity_check)
        .join(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
