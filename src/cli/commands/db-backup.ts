import { defineCommand } from "../command.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { formatBytes } from "../text/bytes.ts";

export const dbBackup = defineCommand({
  meta: {
    name: "db backup",
    description:
      "Copy a database to a new file, even while the daemon is running. The copy is complete and verified, or absent.",
  },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  operands: [{ name: "FILE", description: "File to create; it must not exist yet", required: true }],
  examples: [{ command: "reseolio db backup backup-$(date +%F).db", does: "one backup per day" }],
  notes: ["For a postgres:// URL, the command prints the equivalent pg_dump command instead."],
  async run(context) {
    const { flags, operands, output, messages } = context;
    const { backupDatabase } = await import("../../daemon/database.ts");
    const report = await backupDatabase(databaseUrl(context), operands[0] ?? "", ({ phase, totalBytes }) =>
      messages.info(`${phase} ${formatBytes(totalBytes)}`),
    );
    if (flags.json) return output.document(report);
    const size = formatBytes(report.sizeBytes);
    messages.success(`${report.destination}: ${report.jobs} jobs, ${size}; open it with reseolio serve --db`);
  },
});
