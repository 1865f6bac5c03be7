import { DaemonError } from "../../../core/errors.ts";
import { unfinishedCopy } from "../../copy/copy-side.ts";
import { ORDERED_SINCE, UNFINISHED_COPY } from "../../copy/copy-tables.ts";
import { migrate } from "../../migrate.ts";
import type { PostgresAddress } from "../connection/address.ts";
import { type Client, connect, destroy, type SessionKind, type Timeouts } from "../connection/connection.ts";
import { withDeadline } from "../connection/deadline.ts";
import { faultCode, toStoreError } from "../connection/faults.ts";
import { POSTGRES_MIGRATIONS, postgresTarget } from "../migrations/migrations.ts";

/** Tested with versions 14 to 18. */
const OLDEST = 14;
/** Migrations wait for those of other daemons. */
const OPEN_MS = 120_000;

export interface OpenedDatabase {
  readonly session: SessionKind;
  readonly serverVersion: string;
  /** As `Store.orderedSince`. */
  readonly orderedSince: number;
  /** What an operator should know, to be logged. */
  readonly warnings: readonly string[];
}

/**
 * Checks that the database can be used, and brings its schema to the newest version (P20). Throws
 * `failed_precondition` with what to change, `unavailable` when there is no server; then nothing was changed.
 *
 * @param options `isCopying` when it is opened to be filled by a copy, perhaps one that was broken off
 */
export async function openDatabase(
  address: PostgresAddress,
  timeouts: Timeouts,
  { isCopying = false }: { readonly isCopying?: boolean } = {},
): Promise<OpenedDatabase> {
  const open = (asked: SessionKind) => openAs(address, timeouts, asked, isCopying);
  try {
    return await open("direct");
  } catch (fault) {
    // A pooler that gives each transaction another connection refuses settings of a session.
    if (faultCode(fault) === "08P01") return open("pooled").catch((e: unknown) => refuse(address, e));
    return refuse(address, fault);
  }
}

async function openAs(
  address: PostgresAddress,
  timeouts: Timeouts,
  asked: SessionKind,
  isCopying: boolean,
): Promise<OpenedDatabase> {
  const client = connect({ address, timeouts, session: asked, max: 1 });
  try {
    return await withDeadline(
      prepare(client, address, asked, isCopying),
      OPEN_MS,
      address.name,
      () => void destroy(client),
    );
  } finally {
    await destroy(client);
  }
}

async function prepare(
  client: Client,
  address: PostgresAddress,
  asked: SessionKind,
  isCopying: boolean,
): Promise<OpenedDatabase> {
  const facts = await readFacts(client);
  refuseUnfit(address, facts);
  await migrate(postgresTarget(client, address), POSTGRES_MIGRATIONS);
  await checkPrivileges(client, address, facts.user);
  if (!isCopying) await refuseUnfinishedCopy(client, address);
  const session = facts.statementTimeout === "0" ? "pooled" : asked;
  const orderedSince = Number((await readMeta(client, address, ORDERED_SINCE)) ?? 0);
  return { session, serverVersion: facts.version, orderedSince, warnings: warningsOf(facts, session) };
}

interface Facts {
  readonly version: string;
  readonly versionNumber: number;
  readonly isStandby: boolean;
  readonly encoding: string;
  readonly fsync: string;
  readonly statementTimeout: string;
  readonly user: string;
}

async function readFacts(client: Client): Promise<Facts> {
  const [row] = await client.unsafe(`select current_setting('server_version') as version,
    current_setting('server_version_num')::int as "versionNumber", pg_is_in_recovery() as "isStandby",
    current_setting('server_encoding') as encoding, current_setting('fsync') as fsync,
    current_setting('statement_timeout') as "statementTimeout", current_user as user`);
  return row as unknown as Facts;
}

function refuseUnfit({ name }: PostgresAddress, facts: Facts): void {
  if (facts.versionNumber < OLDEST * 10_000) {
    throw unfit(
      `${name} runs PostgreSQL ${facts.version}, but reseolio requires ${OLDEST} or newer: upgrade the server`,
    );
  }
  if (facts.isStandby) throw unfit(`${name} is a read-only standby: use the address of the primary`);
  if (facts.encoding !== "UTF8") {
    throw unfit(
      `${name} has the encoding ${facts.encoding}, which cannot store all text: create another database with encoding 'UTF8'`,
    );
  }
}

/** A user who may migrate may lack privileges that an older owner never granted. */
async function checkPrivileges(client: Client, { name, schema }: PostgresAddress, user: string): Promise<void> {
  const rows = await client.unsafe(`select relname from pg_class
    where relnamespace = '${schema}'::regnamespace and relkind = 'r'
      and not (has_schema_privilege('${schema}', 'usage') and has_table_privilege(oid, 'select, insert, update, delete'))`);
  if (rows.length === 0) return;
  const table = `${schema}.${String(rows[0]!["relname"])}`;
  throw unfit(`${name}: user ${user} cannot read and write ${table}; as its owner, run: ${grants(schema, user)}`);
}

/** @throws DaemonError `failed_precondition` for an unfinished copy: what it holds does not agree yet */
export async function refuseUnfinishedCopy(client: Client, address: PostgresAddress): Promise<void> {
  const text = await readMeta(client, address, UNFINISHED_COPY);
  if (text !== undefined) throw unfinishedCopy(address.name, text);
}

async function readMeta(client: Client, { schema }: PostgresAddress, key: string): Promise<string | undefined> {
  const [row] = await client.unsafe(`select value from ${schema}.meta where key = '${key}'`);
  return row?.["value"] as string | undefined;
}

function grants(schema: string, user: string): string {
  const to = quoted(user);
  return `grant usage on schema ${schema} to ${to}; grant all on all tables in schema ${schema} to ${to}`;
}

function warningsOf(facts: Facts, session: SessionKind): readonly string[] {
  const warnings: string[] = [];
  if (facts.fsync !== "on") {
    warnings.push(
      "the PostgreSQL server runs with fsync = off: a power failure may lose or corrupt the database; set fsync to on",
    );
  }
  if (session === "pooled") {
    warnings.push(
      "the address leads to a connection pooler: daemons cannot send each other hints and poll instead, and watchers see only the changes of this daemon; use the server's own address for the lowest latency",
    );
  }
  return warnings;
}

/** Throws the fault with what to change where that is known. */
export function refuse(address: PostgresAddress, fault: unknown): never {
  const code = faultCode(fault);
  const reason = code === null ? null : reasonFor(address, code, (fault as Error).message);
  if (reason === null) throw toStoreError(fault, address.name);
  throw new DaemonError(reason[0], `cannot use PostgreSQL at ${address.name}: ${reason[1]}`, {
    metadata: { postgresCode: code! },
  });
}

function reasonFor(
  { user, database, schema }: PostgresAddress,
  code: string,
  message: string,
): readonly ["failed_precondition" | "unavailable", string] | null {
  switch (code) {
    case "28P01":
    case "28000":
      return [
        "failed_precondition",
        `${message}; check the user and password in the address, and the server's pg_hba.conf`,
      ];
    case "3D000":
      return ["failed_precondition", `${message}; create it: createdb ${database}`];
    case "42501":
      return [
        "failed_precondition",
        message.includes("for database")
          ? `${message}; as its owner run: create schema ${schema} authorization ${quoted(user)}`
          : `${message}; as its owner run: ${grants(schema, user)}`,
      ];
    case "ECONNREFUSED":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "CONNECT_TIMEOUT":
      return [
        "unavailable",
        `${code}: no server answers at this address; check that it is running, and check the host and port`,
      ];
    default:
      return null;
  }
}

function unfit(message: string): DaemonError {
  return new DaemonError("failed_precondition", `cannot use the database: ${message}`);
}

function quoted(name: string): string {
  return `"${(name || "USER").replaceAll('"', '""')}"`;
}
