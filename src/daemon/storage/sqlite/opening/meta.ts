import type { Database } from "bun:sqlite";
import { unfinishedCopy } from "../../copy/copy-side.ts";
import { UNFINISHED_COPY } from "../../copy/copy-tables.ts";
import type { Row } from "../connection/rows.ts";

const READ_META = "select value from meta where key = ?";

/** @throws DaemonError `failed_precondition` for an unfinished copy: what it holds does not agree yet */
export function refuseUnfinishedCopy(db: Database, path: string): void {
  const text = readMeta(db, UNFINISHED_COPY);
  if (text !== undefined) throw unfinishedCopy(path, text);
}

export function readMeta(db: Database, key: string): string | undefined {
  // Not prepared once: runs at start only.
  const statement = db.prepare(READ_META);
  const text = (statement.values(key)[0] as Row | undefined)?.[0];
  statement.finalize();
  return text as string | undefined;
}
