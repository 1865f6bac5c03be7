import type { Reseolio } from "reseolio";

/** Where the figures come from, and where reports go. */
export interface ReportStore {
  readRows(reportId: string): Promise<readonly string[]>;
  /** Replaces an existing report. Returns its address. */
  write(reportId: string, text: string): Promise<string>;
}

/** A report that takes a while. It is safe to repeat: the second one equals the first. */
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
