import type { Reseolio } from "reseolio";

/** Where the numbers are, and where reports go. */
export interface ReportStore {
  readRows(reportId: string): Promise<readonly string[]>;
  /** Replaces a report that is there. Returns where it can be fetched. */
  write(reportId: string, text: string): Promise<string>;
}

/** A report that takes its time. Made twice it is the same report: safe to repeat. */
export function defineReport(reseolio: Reseolio, store: ReportStore) {
  return reseolio.durable(
    reseolio.namespace("reports", "text", "render"),
    async (reportId: string) => {
      const rows = await store.readRows(reportId);
      const total = rows.reduce((sum, row) => sum + Number(row.split(",")[1] ?? 0), 0);
      const url = await store.write(reportId, [...rows, `total,${total}`].join("\n"));
      return { url, rows: rows.length, total };
    },
    { timeoutMs: 60_000 },
  );
}
