/**
 * Writes a report each morning at 8 in Berlin, also on days when the clocks change. The schedule is stored: start as many
 * of these programs as you like, and each report is written once; stop them all for some days, and the reports are caught up.
 *
 *     bun main.ts
 *     CRON='* * * * * *' bun main.ts   # every second
 */
import { Reseolio } from "reseolio";
import { defineReport } from "./daily-report.ts";

const reseolio = new Reseolio();
const report = defineReport(reseolio, {
  write: async (name) => console.log(name),
});

await reseolio.start();
// Creating it again changes nothing; a new version of the program may change it.
const schedule = await report.schedule(
  {
    name: "daily-report-eu",
    cron: process.env["CRON"] ?? "0 8 * * *",
    timezone: "Europe/Berlin",
    catchUp: "all",
    maxCatchUp: 30,
    onDuplicate: "update",
  },
  "eu",
);
console.log(`next at ${(await schedule.nextRunAt())?.toISOString()}`);
console.log("ready");
process.once("SIGTERM", () => void reseolio.stop());
