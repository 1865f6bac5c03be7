import { DaemonError } from "../../../core/errors.ts";

/** Where a store is. */
export interface PostgresAddress {
  /** For the driver; has the password. */
  readonly url: string;
  /** For people: hosts, database, and the schema when it is not the usual one. */
  readonly name: string;
  readonly user: string;
  readonly database: string;
  readonly schema: string;
}

const USUAL_SCHEMA = "reseolio";
const USUAL_PORT = 5432;

/**
 * Reads `postgres://user:password@host:port/database?schema=name`; several hosts are joined by commas, and the
 * primary among them is used. Everything but
 * `schema` is the driver's. Throws `invalid_argument`, which never shows what was given: it may hold a password.
 */
export function parsePostgresUrl(given: string): PostgresAddress {
  const [, rest] = /^postgres(?:ql)?:\/\/(.*)$/is.exec(given) ?? [];
  if (rest === undefined) throw invalidUrl("does not begin with postgres://");
  const { authority, database, query } = split(rest);
  const schema = query.get("schema") ?? USUAL_SCHEMA;
  query.delete("schema");
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema)) {
    throw invalidUrl(
      `has the invalid schema ${JSON.stringify(schema.slice(0, 60))}; use 1 to 40 characters from a-z, 0-9 and _, not starting with a digit`,
    );
  }
  const hosts = authority.slice(authority.lastIndexOf("@") + 1);
  const user = authority.includes("@") ? decode(authority.split(":", 1)[0]!.split("@", 1)[0]!) : "";
  checkHosts(hosts);
  const where = `${withPorts(hosts)}/${decode(database)}`;
  // Uses the one of several servers that accepts writes, also after a failover.
  if (hosts.includes(",") && !query.has("target_session_attrs")) query.set("target_session_attrs", "primary");
  return {
    url: `postgres://${authority}/${database}${query.size === 0 ? "" : `?${query.toString()}`}`,
    name: schema === USUAL_SCHEMA ? where : `${where}?schema=${schema}`,
    user,
    database: decode(database),
    schema,
  };
}

function split(rest: string): { authority: string; database: string; query: URLSearchParams } {
  const [, authority = "", database = "", query = ""] = /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/s.exec(rest) ?? [];
  if (authority === "" && database === "" && rest !== "" && rest !== "/") {
    throw invalidUrl("cannot be parsed; escape / ? # in the user name or password as %2F %3F %23");
  }
  return { authority, database, query: new URLSearchParams(query) };
}

/** Different spellings of one database get the same name. */
function withPorts(hosts: string): string {
  const each = hosts === "" ? ["localhost"] : hosts.split(",");
  return each.map((host) => (/:\d+$/.test(host) ? host : `${host}:${USUAL_PORT}`)).join();
}

function checkHosts(hosts: string): void {
  for (const host of hosts === "" ? [] : hosts.split(",")) {
    const [, port] = /^(?:[^:[\]\s]+|\[[0-9a-f:.]+\])(?::(\d+))?$/i.exec(host) ?? invalidHost(host);
    if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) {
      throw invalidUrl(`has the invalid port ${port}; use a port from 1 to 65535`);
    }
  }
}

function invalidHost(host: string): never {
  throw invalidUrl(
    `has the invalid host ${JSON.stringify(host.slice(0, 80))}; use a name or an address, optionally with :port`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidUrl("has a % that is not followed by two hexadecimal digits; write a literal % as %25");
  }
}

function invalidUrl(what: string): DaemonError {
  const description = `the PostgreSQL address ${what}; use the form postgres://user:password@host:5432/database`;
  return new DaemonError("invalid_argument", `db: ${description}`, { violations: [{ field: "db", description }] });
}
