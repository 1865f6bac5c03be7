import { defineCommand } from "../command.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { formatBytes } from "../text/bytes.ts";

export const dbBackup = defineCommand({
  meta: {
    name: "db backup",
    description:
      "Copy a database to a new file, also while the daemon runs. The copy is complete and checked, or absent.",
  },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  operands: [{ name: "FILE", description: "The copy; must not exist", required: true }],
  examples: [{ command: "reseolio db backup backup-$(date +%F).db", does: "one a day" }],
  notes: ["For a postgres:// address it names the pg_dump command that does the same."],
  async run(context) {
    const { flags, operands, output, messages } = context;
    const { backupDatabase } = await import("../../daemon/database.ts");
    const report = await backupDatabase(databaseUrl(context), operands[0] ?? "", ({ phase, totalBytes }) =>
      messages.info(`${phase} ${formatBytes(totalBytes)}`),
    );
    if (flags.json) return output.document(report);
    const size = formatBytes(report.sizeBytes);
    messages.success(`${report.destination}: ${report.jobs} jobs, ${size}; reseolio serve --db opens it`);
  },
});
