import { existsSync } from "node:fs";
import type { GetInfoResponse } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { CONNECTION_FLAGS } from "../calls/connection.ts";
import { cliErrorFrom } from "../calls/rpc-errors.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { examineDaemon } from "../doctor/examine-daemon.ts";
import { examine } from "../doctor/examine-database.ts";
import { examinePostgres } from "../doctor/examine-postgres.ts";
import { examineStorage } from "../doctor/examine-storage.ts";
import { type Finding, FINDINGS, fine, wrong } from "../doctor/finding.ts";
import { CliError } from "../exit.ts";
import { databaseUrl, DB_FLAGS } from "../flags/db-flags.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { onePage } from "../terminal/one-page.ts";
import { counted } from "../text/counted.ts";

const FLAGS = {
  db: { ...DB_FLAGS.db, description: "Database to check if no daemon on this machine reports one" },
  json: FORMAT_FLAGS.json,
  raw: FORMAT_FLAGS.raw,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

export const doctor = defineCommand({
  meta: {
    name: "doctor",
    description: "Check the daemon, its storage and its jobs, and show how to fix what is wrong.",
  },
  args: FLAGS,
  examples: [
    { command: "reseolio doctor", does: "exit code 1 if there is a problem" },
    { command: "reseolio doctor --json | jq '.findings[] | select(.ok | not)'", does: "only the problems" },
  ],
  notes: [
    "Checks whether the daemon answers and has this version, the clocks, the schema, the SQLite version, file permissions, the size of the write-ahead log, free disk space, dead jobs, functions with pending jobs but no workers, and overdue schedules.",
    "On PostgreSQL, also checks the server version, latency, clock, connection pooler, durability, connections, long transactions, dead rows, indexes, privileges, and whether the schema matches the migrations.",
  ],
  async run(context) {
    const { output, messages } = context;
    const { findings: aboutDaemon, info } = await examineDaemon(context);
    const url = databaseToExamine(context, info);
    const aboutStorage = url === null ? unexamined(info) : await examineDatabase(url);
    const findings = [...aboutDaemon, ...aboutStorage];
    await output.list(onePage(findings), FINDINGS);
    const faults = findings.filter((finding) => !finding.ok);
    if (faults.length === 0) return messages.success("no problems found");
    const fixes = faults.map((finding) => `${finding.check}: ${finding.fix ?? ""}`).join("\n");
    throw new CliError("failed", `found ${counted(faults.length, "problem")}`, {
      hint: fixes,
    });
  },
});

/**
 * The daemon's own file if it is on this machine, else the database that was named; null if there is none to check. A
 * daemon does not reveal the password of a PostgreSQL database, so the user must name that database.
 */
function databaseToExamine(context: Context, info: GetInfoResponse | null): string | null {
  if (info === null || context.flags.db !== undefined) return databaseUrl(context);
  if (info.storageKind === "sqlite") return existsSync(info.storageName) ? info.storageName : null;
  return context.env["RESEOLIO_DB"]?.startsWith("postgres") === true ? databaseUrl(context) : null;
}

function unexamined(info: GetInfoResponse | null): readonly Finding[] {
  if (info === null || info.storageKind === "sqlite") return [];
  const message = `${info.storageName} was not checked: set --db or RESEOLIO_DB to its URL`;
  return [fine("storage", message)];
}

async function examineDatabase(url: string): Promise<readonly Finding[]> {
  try {
    const database = await examine(url);
    return database.kind === "sqlite" ? examineStorage(database) : examinePostgres(database);
  } catch (error) {
    const fault = cliErrorFrom(error);
    if (fault.code === "usage") throw fault;
    return [wrong("storage", fault.message, fault.hint ?? "name the database with --db or RESEOLIO_DB")];
  }
}
