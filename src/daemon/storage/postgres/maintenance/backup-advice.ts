import { DaemonError } from "../../../core/errors.ts";
import { parsePostgresUrl } from "../connection/address.ts";

/** Names the command that backs up a schema, without the password: pg_dump asks for it, or reads PGPASSWORD. */
export function backupAdvice(url: string, destination: string): DaemonError {
  const { name, schema, user, database } = parsePostgresUrl(url);
  const [host = "", port = ""] = name
    .slice(0, name.indexOf("/"))
    .split(",", 1)[0]!
    .split(/:(?=\d+$)/);
  const words = ["pg_dump", "--format=custom", `--schema=${schema}`, `--file=${destination}`];
  const where = [`--host=${host}`, `--port=${port}`, ...(user === "" ? [] : [`--username=${user}`]), database];
  const command = [...words, ...where].map(quoted).join(" ");
  return new DaemonError(
    "invalid_argument",
    `db backup copies SQLite files; PostgreSQL has its own tool, which works while daemons are running: ${command}`,
  );
}

function quoted(word: string): string {
  return /^[\w.,:=/@+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
