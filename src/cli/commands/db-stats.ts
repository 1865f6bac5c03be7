import type { DatabaseDescription, PostgresDescription, SqliteDescription } from "../../daemon/database.ts";
import { defineCommand } from "../command.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { Sheet } from "../terminal/output.ts";
import { formatBytes } from "../text/bytes.ts";
import { STATE_NAMES } from "../text/job-states.ts";

export const dbStats = defineCommand({
  meta: { name: "db stats", description: "Show what a database holds and how large it is." },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  examples: [{ command: "reseolio db stats", does: "of ./reseolio.db, with or without a daemon" }],
  async run(context) {
    await context.output.sheet(statsSheet(await describe(databaseUrl(context))));
  },
});

/** What is known of a database without its daemon. Throws DaemonError when it cannot be read. */
async function describe(url: string): Promise<DatabaseDescription> {
  const { describeDatabase } = await import("../../daemon/database.ts");
  return describeDatabase(url);
}

function statsSheet(database: DatabaseDescription): Sheet {
  const counts = STATE_NAMES.map((state) => [state, countOf(database, state)] as const);
  return {
    id: database.kind === "sqlite" ? database.path : database.name,
    json: { ...database, jobs: Object.fromEntries(counts) },
    fields: [
      ...(database.kind === "sqlite" ? sqliteFields(database) : postgresFields(database)),
      {
        label: "jobs",
        value: counts.map(([state, count]) => `${state}=${count}`).join(" "),
        short: counts.map(([state, count]) => `${count} ${state.toLowerCase()}`).join(", "),
      },
    ],
  };
}

function sqliteFields(database: SqliteDescription): Sheet["fields"] {
  return [
    { label: "path", value: database.path },
    { label: "schema", value: String(database.schemaVersion), short: schemaText(database) },
    { label: "sqlite", value: database.sqliteVersion },
    bytesField("file", database.fileBytes),
    bytesField("log", database.walBytes),
    bytesField("free", database.freePages * database.pageBytes),
  ];
}

function postgresFields(database: PostgresDescription): Sheet["fields"] {
  const { tables } = database;
  return [
    { label: "name", value: database.name },
    { label: "schema", value: String(database.schemaVersion), short: schemaText(database) },
    { label: "postgres", value: database.serverVersion },
    bytesField("size", database.sizeBytes),
    {
      label: "tables",
      value: tables.map(({ table, bytes }) => `${table}=${bytes}`).join(" "),
      short: tables
        .slice(0, 4)
        .map(({ table, bytes }) => `${table} ${formatBytes(bytes)}`)
        .join(", "),
    },
    { label: "dead rows", value: String(tables.reduce((sum, { deadRows }) => sum + deadRows, 0)) },
  ];
}

function bytesField(label: string, value: number): Sheet["fields"][number] {
  return { label, value: String(value), short: formatBytes(value) };
}

function countOf(database: DatabaseDescription, state: string): number {
  return database.jobs.filter((one) => one.state === state).reduce((sum, one) => sum + one.count, 0);
}

function schemaText({ schemaVersion, supportedSchemaVersion }: DatabaseDescription): string {
  const known = `this reseolio knows up to ${supportedSchemaVersion}`;
  return schemaVersion === supportedSchemaVersion ? `${schemaVersion}, the newest` : `${schemaVersion}; ${known}`;
}
