import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";

export const dbCheck = defineCommand({
  meta: {
    name: "db check",
    description: "Examine a whole database: its pages, its references, and that counters and jobs agree.",
  },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  examples: [{ command: "reseolio db check --db ./backup.db", does: "is this copy sound?" }],
  notes: [
    "Of PostgreSQL: references, states and counters; its pages are the server's (pg_amcheck).",
    "Reads a snapshot beside a running daemon. Problems are printed on stdout, one per line; the exit code is 1 when there are any.",
  ],
  async run(context) {
    const { flags, output, messages } = context;
    const { checkDatabase } = await import("../../daemon/database.ts");
    const report = await checkDatabase(databaseUrl(context));
    if (flags.json) await output.document(report);
    else await output.text(report.problems.map((problem) => `${output.safe(problem)}\n`).join(""));
    if (report.problems.length > 0) {
      throw new CliError("failed", `${report.path} has ${report.problems.length} problems`, {
        hint: "stop the daemon, keep a copy of what is there, and go back to the last sound backup",
      });
    }
    messages.success(`${report.path} is sound: ${report.jobs} jobs, schema ${report.schemaVersion}`);
  },
});
