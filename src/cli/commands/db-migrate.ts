import { defineCommand } from "../command.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";

export const dbMigrate = defineCommand({
  meta: {
    name: "db migrate",
    description: "Bring the schema of a database up to date. reseolio serve does the same at its start.",
  },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  examples: [{ command: "reseolio db migrate --db ./reseolio.db", does: "before a deploy, to see that it works" }],
  notes: [
    "Refused while a daemon serves the file; on PostgreSQL daemons may run meanwhile. A crash in the middle leaves a whole version behind.",
  ],
  async run(context) {
    const { output, messages } = context;
    const { migrateDatabase } = await import("../../daemon/database.ts");
    const { path, from, to } = await migrateDatabase(databaseUrl(context));
    if (context.flags.json) return output.document({ path, from, to });
    messages.success(from === to ? `${path} is up to date: schema ${to}` : `${path}: schema ${from} is now ${to}`);
  },
});
