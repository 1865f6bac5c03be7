import type { CopyReport } from "../../daemon/database.ts";
import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { Progress } from "../terminal/messages.ts";

export const dbCopy = defineCommand({
  meta: {
    name: "db copy",
    description: "Copy all jobs to another database, from SQLite to PostgreSQL or back, and verify the copy.",
  },
  args: {
    "start-over": { type: "boolean", description: "Discard what an unfinished copy left in TO and start again" },
    json: FORMAT_FLAGS.json,
  },
  operands: [
    {
      name: "FROM",
      description: "Database to read: a path, sqlite://PATH or postgres://USER@HOST/DATABASE",
      required: true,
    },
    {
      name: "TO",
      description: "Database to copy into: a new file, or a PostgreSQL database without jobs",
      required: true,
    },
  ],
  examples: [
    {
      command: "reseolio db copy ./reseolio.db postgres://app@db.internal/app",
      does: "move from one machine to a cluster",
    },
    { command: "reseolio db copy postgres://app@db.internal/app ./reseolio.db", does: "move back" },
  ],
  notes: [
    "Stop the daemons first; the command refuses a database in use. Jobs keep their states, attempts, keys and results, and running jobs keep their leases: a worker that connects to the new daemon continues them, as after a restart. FROM is never modified.",
    "If it is interrupted, run the same command again to resume; no daemon opens TO until the copy is complete. Each table is verified by its row count and a checksum of all its rows.",
    "The PostgreSQL password comes from the URL or from PGPASSWORD.",
  ],
  async run({ flags, operands, output, messages }) {
    const { copyDatabase } = await import("../../daemon/database.ts");
    const [from = "", to = ""] = operands;
    const lines = new Map<string, Progress>();
    const end = () => lines.forEach((line) => line.end());
    const report = await copyDatabase(from, to, {
      startOver: flags["start-over"],
      onProgress({ phase, done, total }) {
        if (!lines.has(phase)) {
          end();
          lines.set(phase, messages.progress(phase, total));
        }
        lines.get(phase)?.update(done);
      },
    }).finally(end);
    if (flags.json) return output.document(report);
    messages.success(summary(report));
  },
});

function summary({ from, to, tables, resumed }: CopyReport): string {
  const counts = tables.filter(({ rows }) => rows > 0).map(({ table, rows }) => `${table} ${rows}`);
  const what = counts.length === 0 ? "no rows" : `rows per table: ${counts.join(", ")}`;
  const how = resumed ? ", resumed from an earlier run" : "";
  return (
    `copied ${from} to ${to} and verified the copy; ${what}${how}\n` +
    `from now on serve only ${to}: if ${from} is served too, its jobs run twice`
  );
}
