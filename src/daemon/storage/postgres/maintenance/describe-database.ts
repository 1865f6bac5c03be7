import { newestVersion } from "../../migrate.ts";
import { stateOf } from "../../rows/job-rows.ts";
import type { JobCount } from "../../seam/jobs.ts";
import { readText } from "../connection/literals.ts";
import { POSTGRES_MIGRATIONS } from "../migrations/migrations.ts";
import { type ExistingDatabase, onExisting } from "../opening/open-existing.ts";

export interface PostgresDescription {
  readonly kind: "postgres";
  /** Host, port and database; never a password. */
  readonly name: string;
  /** 0 when there is no reseolio schema. */
  readonly schemaVersion: number;
  /** The newest that this program knows. */
  readonly supportedSchemaVersion: number;
  readonly serverVersion: string;
  /** Tables with their indexes. */
  readonly sizeBytes: number;
  readonly tables: readonly TableSize[];
  /** From the counters, by function and state. */
  readonly jobs: readonly JobCount[];
}

export interface TableSize {
  readonly table: string;
  /** With indexes and large values. */
  readonly bytes: number;
  /** As estimated by the server. */
  readonly rows: number;
  /** Dead row versions that vacuum has not removed yet. */
  readonly deadRows: number;
}

export function describePostgresDatabase(url: string): Promise<PostgresDescription> {
  return onExisting(url, describe);
}

async function describe({ client, address, schemaVersion }: ExistingDatabase): Promise<PostgresDescription> {
  const [server] = await client.unsafe("select current_setting('server_version') as version");
  const tables = await client.unsafe(`select relname as table, pg_total_relation_size(relid)::bigint as bytes,
      n_live_tup::bigint as rows, n_dead_tup::bigint as "deadRows"
    from pg_stat_all_tables where schemaname = '${address.schema}' order by 2 desc, 1`);
  const sizes = tables.map((row) => Object.assign({}, row)) as unknown as readonly TableSize[];
  return {
    kind: "postgres",
    name: address.name,
    schemaVersion,
    supportedSchemaVersion: newestVersion(POSTGRES_MIGRATIONS),
    serverVersion: server!["version"] as string,
    sizeBytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    tables: sizes,
    jobs: schemaVersion === 0 ? [] : await readCounts({ client, address }),
  };
}

async function readCounts({
  client,
  address,
}: Pick<ExistingDatabase, "client" | "address">): Promise<readonly JobCount[]> {
  const { schema } = address;
  const rows = await client.unsafe(`select functions.name, counted.state, sum(counted.count)::bigint as count
    from (
      select function_id, state, count from ${schema}.job_counts
      union all
      select function_id, state, delta from ${schema}.job_count_deltas
    ) as counted join ${schema}.functions on functions.id = counted.function_id
    group by functions.name, counted.state having sum(counted.count) <> 0 order by functions.name, counted.state`);
  return rows.map((row) => ({
    functionName: readText(row["name"] as string),
    state: stateOf(row["state"] as number),
    count: row["count"] as number,
  }));
}
