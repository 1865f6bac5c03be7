import type { Client } from "../connection/connection.ts";
import { faultCode } from "../connection/faults.ts";
import { POSTGRES_MIGRATIONS } from "../migrations/migrations.ts";
import type { ExistingDatabase } from "../opening/open-existing.ts";

/** How a schema differs from what the migrations make. */
export type SchemaDrift =
  | { readonly kind: "compared"; readonly differences: readonly SchemaDifference[] }
  /** Comparing makes a schema, which is rolled back; this user may make none. */
  | { readonly kind: "not_allowed" };

export interface SchemaDifference {
  /** What is wrong. */
  readonly message: string;
  /** The statement that fixes it. */
  readonly statement: string;
}

/** Columns, indexes and constraints by name, with their definitions; the schema's own name is left out. */
type Catalog = ReadonlyMap<string, string>;

/** Runs the migrations into a schema of another name, reads what they made, and rolls it back. */
export async function findDrift({ client, address }: ExistingDatabase): Promise<SchemaDrift> {
  const found = await readCatalog(client, address.schema);
  const expected = await readExpected(client, `${address.schema}_expected_${process.pid}`);
  if (expected === null) return { kind: "not_allowed" };
  return { kind: "compared", differences: differencesOf(address.schema, expected, found) };
}

async function readExpected(client: Client, schema: string): Promise<Catalog | null> {
  await client.unsafe("begin; set local client_min_messages = warning");
  try {
    await client.unsafe(`create schema ${schema}; set local search_path to ${schema}`);
    for (const { sql } of POSTGRES_MIGRATIONS) await client.unsafe(sql);
    return await readCatalog(client, schema);
  } catch (fault) {
    if (faultCode(fault) === "42501") return null;
    throw fault;
  } finally {
    await client.unsafe("rollback");
  }
}

async function readCatalog(client: Client, schema: string): Promise<Catalog> {
  const rows = await client
    .unsafe(
      `select 'column ' || relname || '.' || attname, format_type(atttypid, atttypmod)
          || case when attnotnull then ' not null' else '' end
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace = '${schema}'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
      union all
      select 'index ' || relname, pg_get_indexdef(pg_class.oid) from pg_class
        where relnamespace = '${schema}'::regnamespace and relkind = 'i'
      union all
      select 'constraint ' || relname || '.' || conname, pg_get_constraintdef(pg_constraint.oid)
        from pg_constraint join pg_class on pg_class.oid = conrelid
        where connamespace = '${schema}'::regnamespace and contype <> 'n'`,
    )
    .values();
  const plain = (text: unknown) => String(text).replaceAll(`${schema}.`, "");
  return new Map(rows.map(([name, definition]) => [plain(name), plain(definition)]));
}

function differencesOf(schema: string, expected: Catalog, found: Catalog): readonly SchemaDifference[] {
  const differences: SchemaDifference[] = [];
  for (const [name, definition] of expected) {
    const there = found.get(name);
    if (there === definition) continue;
    // A primary key is both an index and a constraint; the constraint is enough.
    if (name.startsWith("index ") && isOfConstraint(expected, name)) continue;
    const message = there === undefined ? `${name} is missing` : `${name} is ${there}, but should be ${definition}`;
    differences.push({ message, statement: mendOf(schema, name, definition, there !== undefined) });
  }
  return differences;
}

function isOfConstraint(expected: Catalog, name: string): boolean {
  const own = name.slice("index ".length);
  return [...expected.keys()].some((key) => key.startsWith("constraint ") && key.endsWith(`.${own}`));
}

function mendOf(schema: string, name: string, definition: string, isThere: boolean): string {
  const [kind = "", what = ""] = name.split(" ", 2);
  const [table = "", part = ""] = what.split(".");
  switch (kind) {
    case "index": {
      const drop = isThere ? `drop index concurrently ${schema}.${what}; ` : "";
      return `${drop}${definition.replace(" INDEX ", " INDEX CONCURRENTLY ").replace(" ON ", ` ON ${schema}.`)}`;
    }
    case "constraint": {
      const drop = isThere ? `drop constraint ${part}, ` : "";
      return `alter table ${schema}.${table} ${drop}add constraint ${part} ${definition}`;
    }
    default: {
      const [type = ""] = definition.split(" not null");
      if (!isThere) return `alter table ${schema}.${table} add column ${part} ${definition}`;
      const nullness = definition.endsWith(" not null") ? "set not null" : "drop not null";
      return `alter table ${schema}.${table} alter column ${part} type ${type}, alter column ${part} ${nullness}`;
    }
  }
}
