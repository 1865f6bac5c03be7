/**
 * A report each morning at 8 in Berlin, also on the days on which clocks change. The schedule is stored: start as many
 * of these as you like, each report is made once; stop them all for some days, and the reports are made up for.
 *
 *     bun main.ts
 *     CRON='* * * * * *' bun main.ts   # each second
 */
import { Reseolio } from "reseolio";
import { defineReport } from "./daily-report.ts";

const reseolio = new Reseolio();
const report = defineReport(reseolio, {
  write: async (name) => console.log(name),
});

await reseolio.start();
// The same at each start; a new version of the program may change it.
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
