import type { Database } from "bun:sqlite";
import type { Row } from "./rows.ts";

/** The first column of a statement's first row. Not prepared once: for the start and for commands. */
export function readNumber(db: Database, sql: string): number {
  const statement = db.prepare(sql);
  try {
    return (statement.values()[0] as Row)[0] as number;
  } finally {
    statement.finalize();
  }
}
