import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { counted } from "../text/counted.ts";

export const dbCheck = defineCommand({
  meta: {
    name: "db check",
    description:
      "Check the integrity of a database: its pages, its references, and whether its counters match its jobs.",
  },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  examples: [{ command: "reseolio db check --db ./backup.db", does: "verify a backup" }],
  notes: [
    "On PostgreSQL, checks references, states and counters; use pg_amcheck for pages.",
    "Reads a snapshot, so a daemon may keep running. Prints problems on stdout, one per line; the exit code is 1 if there are any.",
  ],
  async run(context) {
    const { flags, output, messages } = context;
    const { checkDatabase } = await import("../../daemon/database.ts");
    const report = await checkDatabase(databaseUrl(context));
    if (flags.json) await output.document(report);
    else await output.text(report.problems.map((problem) => `${output.safe(problem)}\n`).join(""));
    if (report.problems.length > 0) {
      throw new CliError("failed", `${report.path} has ${counted(report.problems.length, "problem")}`, {
        hint: "stop the daemon, keep a copy of the current files, and restore the last good backup",
      });
    }
    messages.success(`${report.path} is intact: ${counted(report.jobs, "job")}, schema ${report.schemaVersion}`);
  },
});
