import { DaemonError } from "../../../core/errors.ts";
import type { Migration, MigrationTarget } from "../../migrate.ts";
import type { PostgresAddress } from "../connection/address.ts";
import type { Client } from "../connection/connection.ts";
import jobs from "./0001_jobs.sql" with { type: "text" };
import schedules from "./0002_schedules.sql" with { type: "text" };
import workflows from "./0003_workflows.sql" with { type: "text" };
import order from "./0004_order.sql" with { type: "text" };
import signals from "./0005_signals.sql" with { type: "text" };
import undo from "./0006_undo.sql" with { type: "text" };

/** Imported as text, so that they are inside the executable. */
export const POSTGRES_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: jobs },
  { version: 2, sql: schedules },
  { version: 3, sql: workflows },
  { version: 4, sql: order },
  { version: 5, sql: signals },
  { version: 6, sql: undo },
];

/** One lock for all schemas: migrations of one database run one after the other. */
const LOCK = 0x52_53_4c_4f;

/** A schema as a migration target: its table `meta` has the version. */
export function postgresTarget(client: Client, { name, schema }: PostgresAddress): MigrationTarget {
  const readVersion = async (): Promise<number> => {
    const [found] = await client`
      select to_regclass(${`${schema}.meta`}) is not null as has_meta,
        (select count(*)::int from pg_class where relnamespace = to_regnamespace(${schema})) as tables`;
    if (found?.["has_meta"] !== true) {
      if (found?.["tables"] !== 0) throw foreignSchema(name, schema);
      return 0;
    }
    const [row] = await client.unsafe(`select value::int as version from ${schema}.meta where key = 'schema_version'`);
    if (row === undefined) throw foreignSchema(name, schema);
    return row["version"] as number;
  };
  return {
    name,
    readVersion,
    async apply({ version, sql }) {
      // Sent as one message, so that a pooler does not split it.
      await client.unsafe(`begin;
        set local lock_timeout = '60s'; set local statement_timeout = 0; set local client_min_messages = warning;
        select pg_advisory_xact_lock(${LOCK})`);
      try {
        if ((await readVersion()) < version) {
          // A user who may not create schemas may still have been given one.
          const [there] = await client`select to_regnamespace(${schema}) is not null as is_there`;
          if (there?.["is_there"] !== true) await client.unsafe(`create schema ${schema}`);
          await client.unsafe(migrationSql(schema, version, sql));
        }
        await client.unsafe("commit");
      } catch (fault) {
        await client.unsafe("rollback");
        throw fault;
      }
    },
  };
}

function migrationSql(schema: string, version: number, sql: string): string {
  return `set local search_path to ${schema};
    ${sql};
    insert into meta (key, value) values ('schema_version', '${version}')
      on conflict (key) do update set value = excluded.value`;
}

function foreignSchema(name: string, schema: string): DaemonError {
  return new DaemonError(
    "failed_precondition",
    `${name}: the schema ${schema} belongs to another program; choose another one with ?schema=NAME in the address`,
  );
}
