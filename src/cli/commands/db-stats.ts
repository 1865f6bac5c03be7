import type { DatabaseDescription, PostgresDescription, SqliteDescription } from "../../daemon/database.ts";
import { defineCommand } from "../command.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { RecordView } from "../terminal/output.ts";
import { formatBytes } from "../text/bytes.ts";
import { STATE_NAMES } from "../text/job-states.ts";

export const dbStats = defineCommand({
  meta: { name: "db stats", description: "Show the size and contents of a database." },
  args: { ...DB_FLAGS, json: FORMAT_FLAGS.json },
  examples: [{ command: "reseolio db stats", does: "./reseolio.db, with or without a daemon" }],
  async run(context) {
    await context.output.record(statsRecord(await describe(databaseUrl(context))));
  },
});

/** Reads a database without its daemon. Throws DaemonError if it cannot be read. */
async function describe(url: string): Promise<DatabaseDescription> {
  const { describeDatabase } = await import("../../daemon/database.ts");
  return describeDatabase(url);
}

function statsRecord(database: DatabaseDescription): RecordView {
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

function sqliteFields(database: SqliteDescription): RecordView["fields"] {
  return [
    { label: "path", value: database.path },
    { label: "schema", value: String(database.schemaVersion), short: schemaText(database) },
    { label: "sqlite", value: database.sqliteVersion },
    bytesField("file", database.fileBytes),
    bytesField("log", database.walBytes),
    bytesField("free", database.freePages * database.pageBytes),
  ];
}

function postgresFields(database: PostgresDescription): RecordView["fields"] {
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

function bytesField(label: string, value: number): RecordView["fields"][number] {
  return { label, value: String(value), short: formatBytes(value) };
}

function countOf(database: DatabaseDescription, state: string): number {
  return database.jobs.filter((one) => one.state === state).reduce((sum, one) => sum + one.count, 0);
}

function schemaText({ schemaVersion, supportedSchemaVersion }: DatabaseDescription): string {
  const known = `this version of reseolio supports ${supportedSchemaVersion}`;
  return schemaVersion === supportedSchemaVersion ? `${schemaVersion}, current` : `${schemaVersion}; ${known}`;
}
