import type { CopyReport } from "../../daemon/database.ts";
import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { Progress } from "../terminal/messages.ts";

export const dbCopy = defineCommand({
  meta: {
    name: "db copy",
    description: "Move all jobs to another database, from SQLite to PostgreSQL or back, and compare the two.",
  },
  args: {
    "start-over": { type: "boolean", description: "Throw away what an unfinished copy left in TO, and begin again" },
    json: FORMAT_FLAGS.json,
  },
  operands: [
    {
      name: "FROM",
      description: "The database to read: a path, sqlite://PATH or postgres://USER@HOST/DATABASE",
      required: true,
    },
    { name: "TO", description: "The one to fill: a new file, or a PostgreSQL database without jobs", required: true },
  ],
  examples: [
    { command: "reseolio db copy ./reseolio.db postgres://app@db.internal/app", does: "one machine is not enough" },
    { command: "reseolio db copy postgres://app@db.internal/app ./reseolio.db", does: "and back" },
  ],
  notes: [
    "Stop the daemons first; a database in use is refused. Jobs keep their states, attempts, keys and results, and running ones their leases: a worker that finds the new daemon goes on with them, as after a restart. FROM is only read.",
    "Killed in the middle, the same command goes on where it was, and no daemon opens TO before it is done. Each table is compared by its count and a checksum of all its rows.",
    "PostgreSQL's password comes from the address or from PGPASSWORD.",
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
  const counts = tables.filter(({ rows }) => rows > 0).map(({ table, rows }) => `${rows} ${table}`);
  const what = counts.length === 0 ? "nothing" : counts.join(", ");
  const how = resumed ? ", begun by an earlier run" : "";
  return (
    `${to} holds what ${from} held, and both are equal: ${what}${how}\n` +
    `serve it from now on, and ${from} no more: its jobs would run twice`
  );
}
