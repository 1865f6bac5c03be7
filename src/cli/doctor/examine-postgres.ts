/** Checks of a PostgreSQL database. Each problem comes with the statement that fixes it. */
import { formatBytes } from "../text/bytes.ts";
import { formatDuration } from "../text/duration.ts";
import type { PostgresExamination } from "./examine-database.ts";
import { examineSchema } from "./examine-storage.ts";
import { type Finding, fine, wrong } from "./finding.ts";

/** Checks the server, the connection to it, and the schema. */
export function examinePostgres(facts: PostgresExamination): readonly Finding[] {
  return [
    fine("storage", `${facts.name}, ${formatBytes(facts.sizeBytes)}`),
    examineSchema(facts),
    ...examineCopy(facts),
    examineVersion(facts),
    examineRole(facts),
    examineLatency(facts),
    examineClock(facts),
    examinePooler(facts),
    ...examineDurability(facts),
    examineReplication(facts),
    examineConnections(facts),
    ...examineTransactions(facts),
    ...examineVacuum(facts),
    examineIndexes(facts),
    examinePrivileges(facts),
    ...examineDrift(facts),
  ];
}

function examineCopy({ name, unfinishedCopy }: PostgresExamination): readonly Finding[] {
  if (unfinishedCopy === null) return [];
  const message = `${name} is an unfinished copy of ${unfinishedCopy}; daemons refuse to open it`;
  return [wrong("copy", message, "run the same reseolio db copy again to resume it")];
}

function examineVersion({ versionNumber, serverVersion, encoding }: PostgresExamination): Finding {
  if (encoding !== "UTF8") {
    const fix = "create database NAME encoding 'UTF8' template template0, and copy into it with reseolio db copy";
    return wrong("postgres", `the encoding ${encoding} cannot store all text`, fix);
  }
  if (versionNumber < 140_000) {
    return wrong("postgres", `${serverVersion} is not supported`, "upgrade to PostgreSQL 14 or newer");
  }
  if (versionNumber < 140_004) {
    const message = `${serverVersion} can corrupt indexes that are created concurrently`;
    return wrong("postgres", message, "upgrade to 14.4 or newer, then: reindex database concurrently");
  }
  return fine("postgres", serverVersion);
}

function examineRole({ isStandby, name }: PostgresExamination): Finding {
  if (!isStandby) return fine("role", "primary: the server accepts writes");
  return wrong("role", `${name} is a read-only standby`, "point --db at the primary, or: select pg_promote()");
}

const SLOW_ANSWER_MS = 10;

function examineLatency({ answerMs }: PostgresExamination): Finding {
  const text = `a round trip takes ${answerMs.toFixed(answerMs < 10 ? 1 : 0)} ms`;
  if (answerMs <= SLOW_ANSWER_MS) return fine("latency", text);
  return wrong("latency", `${text}; each commit needs several`, "run the daemons close to the database");
}

const CLOCK_TOLERANCE_MS = 5_000;

function examineClock({ clockOffsetMs }: PostgresExamination): Finding {
  const offset = formatDuration(Math.abs(clockOffsetMs));
  if (Math.abs(clockOffsetMs) <= CLOCK_TOLERANCE_MS)
    return fine("server clock", `within ${offset} of this machine's clock`);
  const message = `${offset} ${clockOffsetMs > 0 ? "ahead of" : "behind"} this machine's clock; jobs use the server's clock`;
  return wrong("server clock", message, "synchronize both clocks with NTP");
}

function examinePooler({ isPooled }: PostgresExamination): Finding {
  if (!isPooled) return fine("pooler", "none: daemons receive each other's notifications");
  const message = "the URL leads to a transaction pooler: daemons cannot notify each other and poll instead";
  return wrong(
    "pooler",
    message,
    "use the URL of the server itself, or a pooler in session mode (pool_mode = session)",
  );
}

function examineDurability({ settings }: PostgresExamination): readonly Finding[] {
  const off = [
    ...(settings.fsync === "off"
      ? [["fsync", "a power failure may lose acknowledged jobs and corrupt the database"]]
      : []),
    ...(settings.fullPageWrites === "off" ? [["full_page_writes", "a power failure may corrupt pages"]] : []),
  ];
  if (off.length > 0) {
    return off.map(([name, consequence]) =>
      wrong("durability", `${name} is off: ${consequence}`, `alter system set ${name} = on; select pg_reload_conf()`),
    );
  }
  const { synchronousCommit } = settings;
  const note =
    synchronousCommit === "off"
      ? "; synchronous_commit is off on this server, but Reseolio turns it on for its own sessions"
      : "";
  return [fine("durability", `a commit is on disk when it is acknowledged${note}`)];
}

function examineReplication({ settings }: PostgresExamination): Finding {
  const names = settings.synchronousStandbyNames;
  if (names !== "") return fine("replication", `a commit waits for the standbys ${names}`);
  return fine("replication", "no synchronous standby: a failover may lose the last acknowledged commits");
}

/** A daemon uses about five connections, and one more while it starts. */
const LEAST_CONNECTIONS = 6;

function examineConnections({ connectionsLeft, mostConnections }: PostgresExamination): Finding {
  const text = `${connectionsLeft} of ${mostConnections} available`;
  if (connectionsLeft >= LEAST_CONNECTIONS) return fine("connections", text);
  const fix = `alter system set max_connections = ${mostConnections * 2}, and restart the server; or stop other clients`;
  return wrong("connections", `${text}; a daemon needs ${LEAST_CONNECTIONS}`, fix);
}

const LONG_TRANSACTION_MS = 10 * 60_000;
const MANY_TRANSACTIONS = 10_000_000;

function examineTransactions({ transactions }: PostgresExamination): readonly Finding[] {
  const long = transactions.filter(
    ({ ageMs, xminAge }) => (ageMs ?? 0) > LONG_TRANSACTION_MS || xminAge > MANY_TRANSACTIONS,
  );
  if (long.length === 0) {
    const oldest = Math.max(0, ...transactions.map(({ ageMs }) => ageMs ?? 0));
    return [
      fine("transactions", oldest === 0 ? "none open" : `the oldest has been open for ${formatDuration(oldest)}`),
    ];
  }
  return long.map((one) => {
    const age = one.ageMs === null ? `${one.xminAge} transactions` : formatDuration(one.ageMs);
    const who =
      one.kind === "session" ? `session ${one.pid} of ${one.user} (${one.name || "no name"}, ${one.state})` : one.name;
    const message = `${who} has blocked vacuum for ${age}: dead rows accumulate and claims slow down`;
    return wrong("transactions", message, endOf(one));
  });
}

function endOf({ kind, pid, name }: PostgresExamination["transactions"][number]): string {
  switch (kind) {
    case "session":
      return `select pg_terminate_backend(${pid})`;
    case "prepared":
      return `rollback prepared ${literal(name)}`;
    case "slot":
      return `select pg_drop_replication_slot(${literal(name)}), if it is no longer needed`;
  }
}

/** With fewer dead rows, scanning them is not worth anybody's attention. */
const MANY_DEAD_ROWS = 10_000;

function examineVacuum({ tables, schema, settings, unvacuumedTables }: PostgresExamination): readonly Finding[] {
  const findings: Finding[] = [];
  if (settings.autovacuum === "off") {
    const fix = "alter system set autovacuum = on; select pg_reload_conf()";
    findings.push(wrong("vacuum", "autovacuum is off for the whole server", fix));
  }
  for (const table of unvacuumedTables) {
    const fix = `alter table ${schema}.${table} reset (autovacuum_enabled)`;
    findings.push(wrong("vacuum", `autovacuum is off for ${table}`, fix));
  }
  for (const { table, rows, deadRows } of tables) {
    if (deadRows <= MANY_DEAD_ROWS || deadRows <= rows / 2) continue;
    const fix = `vacuum (verbose, analyze) ${schema}.${table}; its output shows why they cannot be removed`;
    findings.push(wrong("vacuum", `${table} has ${deadRows} dead rows and ${rows} live ones`, fix));
  }
  const dead = tables.reduce((sum, { deadRows }) => sum + deadRows, 0);
  return findings.length > 0 ? findings : [fine("vacuum", `${dead} dead rows`)];
}

function examineIndexes({ invalidIndexes, schema }: PostgresExamination): Finding {
  if (invalidIndexes.length === 0) return fine("indexes", "all valid");
  const fix = invalidIndexes.map((index) => `reindex index concurrently ${schema}.${index}`).join("; ");
  return wrong("indexes", `invalid and therefore unused: ${invalidIndexes.join(", ")}`, fix);
}

function examinePrivileges({ missingPrivileges, schema, user }: PostgresExamination): Finding {
  if (missingPrivileges.length === 0) return fine("privileges", `${user} has all required privileges`);
  const to = `"${user.replaceAll('"', '""')}"`;
  const fix =
    `as the owner: grant usage on schema ${schema} to ${to}; grant all on all tables in schema ${schema} to ${to}; ` +
    `grant all on all sequences in schema ${schema} to ${to}`;
  return wrong("privileges", `${user} lacks: ${missingPrivileges.join(", ")}`, fix);
}

function examineDrift({ drift, user }: PostgresExamination): readonly Finding[] {
  if (drift.kind === "not_allowed") {
    return [fine("drift", `not checked: ${user} cannot create the schema to compare with; run doctor as the owner`)];
  }
  if (drift.differences.length === 0) return [fine("drift", "tables and indexes match the migrations")];
  return drift.differences.map(({ message, statement }) => wrong("drift", message, statement));
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
