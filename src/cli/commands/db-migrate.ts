import { defineCommand } from "../command.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";

export const dbMigrate = defineCommand({
  meta: {
    name: "db migrate",
    description:
      "Migrate the schema of a database to the current version. reseolio serve does the same when it starts.",
  },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  examples: [
    { command: "reseolio db migrate --db ./reseolio.db", does: "before a deployment, to verify that it works" },
  ],
  notes: [
    "Fails while a daemon serves the file; on PostgreSQL, daemons may keep running. An interrupted migration leaves a complete version behind, never half of one.",
  ],
  async run(context) {
    const { output, messages } = context;
    const { migrateDatabase } = await import("../../daemon/database.ts");
    const { path, from, to } = await migrateDatabase(databaseUrl(context));
    if (context.flags.json) return output.document({ path, from, to });
    messages.success(
      from === to ? `${path} is up to date: schema ${to}` : `${path}: migrated from schema ${from} to ${to}`,
    );
  },
});
