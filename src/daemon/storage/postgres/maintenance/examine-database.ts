import { UNFINISHED_COPY } from "../../copy/copy-tables.ts";
import { newestVersion } from "../../migrate.ts";
import { connect, destroy, USUAL_TIMEOUTS } from "../connection/connection.ts";
import { POSTGRES_MIGRATIONS } from "../migrations/migrations.ts";
import { type ExistingDatabase, onExisting } from "../opening/open-existing.ts";
import { describePostgresDatabase, type PostgresDescription } from "./describe-database.ts";
import { findDrift, type SchemaDrift } from "./schema-drift.ts";

/** The facts about a server that the doctor judges. Durations are in milliseconds. */
export interface PostgresExamination extends PostgresDescription {
  readonly schema: string;
  readonly user: string;
  /** Such as 140004. */
  readonly versionNumber: number;
  readonly isStandby: boolean;
  readonly encoding: string;
  /** Settings of a session do not hold: a pooler gives each transaction another connection. */
  readonly isPooled: boolean;
  /** A statement there and back, the median of several. */
  readonly answerMs: number;
  /** The server's clock minus this machine's. */
  readonly clockOffsetMs: number;
  /** Settings of a session that sets none itself. */
  readonly settings: ServerSettings;
  /** Transactions that hold vacuum back, the oldest first. */
  readonly transactions: readonly OpenTransactionFact[];
  readonly connectionsLeft: number;
  readonly mostConnections: number;
  /** `TABLE` or `TABLE (INDEX)`, with the privileges that the user lacks. */
  readonly missingPrivileges: readonly string[];
  readonly invalidIndexes: readonly string[];
  /** Tables for which autovacuum is off. */
  readonly unvacuumedTables: readonly string[];
  readonly drift: SchemaDrift;
  /** The source of an unfinished copy; null when there is none. */
  readonly unfinishedCopy: string | null;
}

export interface ServerSettings {
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly synchronousStandbyNames: string;
  readonly autovacuum: string;
}

export interface OpenTransactionFact {
  /** Null for a prepared transaction and for a replication slot. */
  readonly pid: number | null;
  /** Name of the application, the prepared transaction, or the slot. */
  readonly name: string;
  readonly kind: "session" | "prepared" | "slot";
  readonly user: string;
  readonly state: string;
  /** Null when it is not known. */
  readonly ageMs: number | null;
  /** Transactions since it began. */
  readonly xminAge: number;
}

/** Reads what the doctor judges. Changes nothing: what it makes to compare with is rolled back. */
export async function examinePostgresDatabase(url: string): Promise<PostgresExamination> {
  const description = await describePostgresDatabase(url);
  return onExisting(url, async (existing) => ({
    ...description,
    ...(await readServer(existing)),
    settings: await readSettings(existing),
    transactions: await readTransactions(existing),
    ...(await readConnections(existing)),
    ...(existing.schemaVersion === newestVersion(POSTGRES_MIGRATIONS) ? await readSchema(existing) : NO_SCHEMA),
  }));
}

const NO_SCHEMA = {
  missingPrivileges: [],
  invalidIndexes: [],
  unvacuumedTables: [],
  drift: { kind: "compared", differences: [] },
  unfinishedCopy: null,
} as const;

const PROBES = 7;

async function readServer({ client, address, session }: ExistingDatabase) {
  const times: number[] = [];
  for (let probe = 0; probe < PROBES; probe++) {
    const askedAt = performance.now();
    await client.unsafe("select 1");
    times.push(performance.now() - askedAt);
  }
  const askedAt = Date.now();
  const [row] = await client.unsafe(`select current_user as user, current_setting('server_version_num')::int as version,
    pg_is_in_recovery() as standby, current_setting('server_encoding') as encoding,
    current_setting('plan_cache_mode') as held, (extract(epoch from clock_timestamp()) * 1000)::bigint as now`);
  const middle = (askedAt + Date.now()) / 2;
  return {
    schema: address.schema,
    user: row!["user"] as string,
    versionNumber: row!["version"] as number,
    isStandby: row!["standby"] as boolean,
    encoding: row!["encoding"] as string,
    // Our connections ask for generic plans when they connect.
    isPooled: session === "pooled" || row!["held"] !== "force_generic_plan",
    answerMs: times.toSorted((left, right) => left - right)[Math.floor(PROBES / 2)]!,
    clockOffsetMs: Math.round((row!["now"] as number) - middle),
  };
}

/** Reads on a connection that sets nothing itself. */
async function readSettings({ address }: ExistingDatabase): Promise<ServerSettings> {
  const client = connect({ address, timeouts: USUAL_TIMEOUTS, session: "pooled", max: 1 });
  try {
    const [row] = await client.unsafe(`select current_setting('fsync') as fsync,
      current_setting('full_page_writes') as "fullPageWrites",
      current_setting('synchronous_commit') as "synchronousCommit",
      current_setting('synchronous_standby_names') as "synchronousStandbyNames",
      current_setting('autovacuum') as autovacuum`);
    return row as unknown as ServerSettings;
  } finally {
    await destroy(client);
  }
}

async function readTransactions({ client }: ExistingDatabase): Promise<readonly OpenTransactionFact[]> {
  const rows = await client.unsafe(`select * from (
      select pid, coalesce(application_name, '') as name, 'session' as kind, coalesce(usename, '') as user,
        coalesce(state, '') as state, (extract(epoch from now() - xact_start) * 1000)::bigint as "ageMs",
        greatest(age(backend_xmin), age(backend_xid)) as "xminAge"
      from pg_stat_activity
      where pid <> pg_backend_pid() and (backend_xmin is not null or backend_xid is not null)
        and backend_type = 'client backend'
      union all
      select null, gid, 'prepared', owner, 'prepared', (extract(epoch from now() - prepared) * 1000)::bigint,
        age(transaction) from pg_prepared_xacts where database = current_database()
      union all
      select active_pid, slot_name, 'slot', '', case when active then 'active' else 'inactive' end, null,
        greatest(age(xmin), age(catalog_xmin)) from pg_replication_slots where xmin is not null or catalog_xmin is not null
    ) as held order by "ageMs" desc nulls last, "xminAge" desc limit 10`);
  return rows.map((row) => Object.assign({}, row)) as unknown as readonly OpenTransactionFact[];
}

/** The number of connections that this user can still open: the lowest limit of server, database and role. */
async function readConnections({ client }: ExistingDatabase) {
  const [row] = await client.unsafe(`with used as (
      select count(*)::int as everyone, (count(*) filter (where datname = current_database()))::int as here,
        (count(*) filter (where usename = current_user))::int as ours
      from pg_stat_activity where backend_type = 'client backend'
    ),
    most as (
      select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as everyone,
        (select datconnlimit from pg_database where datname = current_database()) as here,
        (select rolconnlimit from pg_roles where rolname = current_user) as ours
    )
    select most.everyone as "mostConnections", least(
      most.everyone - used.everyone,
      case when most.here >= 0 then most.here - used.here end,
      case when most.ours >= 0 then most.ours - used.ours end
    ) as "connectionsLeft" from most, used`);
  return row as unknown as { readonly mostConnections: number; readonly connectionsLeft: number };
}

async function readSchema(existing: ExistingDatabase) {
  const { client, address } = existing;
  const column = async (sql: string) => (await client.unsafe(sql).values()).map(([text]) => String(text));
  const inSchema = `relnamespace = '${address.schema}'::regnamespace`;
  return {
    missingPrivileges: await column(`select relname || ' (' || lacking || ')' from pg_class, lateral (
        select string_agg(one, ', ') as lacking
        from unnest(case when relkind = 'S' then array['usage'] when relkind = 'v' then array['select']
          else array['select', 'insert', 'update', 'delete'] end) as one
        where not (case when relkind = 'S' then has_sequence_privilege(oid, one) else has_table_privilege(oid, one) end)
      ) as looked where ${inSchema} and relkind in ('r', 'S', 'v') and lacking is not null order by 1`),
    invalidIndexes: await column(`select relname from pg_class join pg_index on indexrelid = pg_class.oid
      where ${inSchema} and not (indisvalid and indisready) order by 1`),
    unvacuumedTables: await column(`select relname from pg_class
      where ${inSchema} and relkind = 'r' and 'autovacuum_enabled=false' = any (reloptions) order by 1`),
    drift: await findDrift(existing),
    unfinishedCopy: await readUnfinishedCopy(existing),
  };
}

async function readUnfinishedCopy({ client, address }: ExistingDatabase): Promise<string | null> {
  const [row] = await client.unsafe(
    `select value::json ->> 'source' as source from ${address.schema}.meta where key = '${UNFINISHED_COPY}'`,
  );
  return (row?.["source"] as string | undefined) ?? null;
}
