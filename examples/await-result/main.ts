/**
 * Creates a report of `ID.csv` and prints its address. If it takes more than 30 s, the work continues: run this again with
 * the same ID to get the same job's result.
 *
 *     bun main.ts sales-2026-11
 */
import { readFile, writeFile } from "node:fs/promises";
import { Reseolio, ResultTimeoutError } from "reseolio";
import { defineReport } from "./report.ts";

const [reportId] = process.argv.slice(2);
if (reportId === undefined) {
  console.error("usage: main ID");
  process.exit(2);
}

const reseolio = new Reseolio();
const renderReport = defineReport(reseolio, {
  readRows: async (id) => (await readFile(`${id}.csv`, "utf8")).trim().split("\n"),
  write: async (id, text) => {
    await writeFile(`${id}.txt`, `${text}\n`);
    return `${id}.txt`;
  },
});

await reseolio.start();
const job = await renderReport.with({ idempotencyKey: reportId })(reportId);
try {
  const { url, rows, total } = await job.result(30_000);
  console.log(`${url}: ${rows} rows, total ${total}`);
} catch (error) {
  if (!(error instanceof ResultTimeoutError)) throw error;
  console.log(`job ${job.jobId} is still at it; ask again`);
}
await reseolio.stop();
