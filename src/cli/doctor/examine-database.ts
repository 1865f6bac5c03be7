import type { PostgresExamination, SqliteDescription } from "../../daemon/database.ts";

export type { PostgresExamination };

/** Reads from a database, without its daemon, everything that the doctor judges. */
export async function examine(url: string): Promise<SqliteDescription | PostgresExamination> {
  const { examineDatabase } = await import("../../daemon/database.ts");
  return examineDatabase(url);
}
