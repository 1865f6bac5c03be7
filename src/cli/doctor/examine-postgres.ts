/** What the doctor says of a PostgreSQL database: facts of the server, judged, each with the statement that mends it. */
import { formatBytes } from "../text/bytes.ts";
import { formatDuration } from "../text/duration.ts";
import type { PostgresExamination } from "./examine-database.ts";
import { examineSchema } from "./examine-storage.ts";
import { type Finding, fine, wrong } from "./finding.ts";

/** Every finding about the server, the way to it, and the schema. */
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
  const message = `${name} is the unfinished copy of ${unfinishedCopy}: no daemon opens it`;
  return [wrong("copy", message, "run the same reseolio db copy again, it goes on where it was")];
}

function examineVersion({ versionNumber, serverVersion, encoding }: PostgresExamination): Finding {
  if (encoding !== "UTF8") {
    const mend = "create database NAME encoding 'UTF8' template template0, and copy into it with reseolio db copy";
    return wrong("postgres", `the encoding ${encoding} cannot hold every text`, mend);
  }
  if (versionNumber < 140_000) {
    return wrong("postgres", `${serverVersion} is older than what reseolio knows`, "upgrade to PostgreSQL 14 or newer");
  }
  if (versionNumber < 140_004) {
    const message = `${serverVersion} can damage indexes that are made concurrently`;
    return wrong("postgres", message, "upgrade to 14.4 or newer, then: reindex database concurrently");
  }
  return fine("postgres", serverVersion);
}

function examineRole({ isStandby, name }: PostgresExamination): Finding {
  if (!isStandby) return fine("role", "the server takes writes");
  return wrong("role", `${name} is a standby, which only reads`, "point --db at the primary, or: select pg_promote()");
}

const SLOW_ANSWER_MS = 10;

function examineLatency({ answerMs }: PostgresExamination): Finding {
  const text = `a statement there and back takes ${answerMs.toFixed(answerMs < 10 ? 1 : 0)} ms`;
  if (answerMs <= SLOW_ANSWER_MS) return fine("latency", text);
  return wrong("latency", `${text}; each commit takes a few of them`, "run the daemons next to the database");
}

const CLOCK_TOLERANCE_MS = 5_000;

function examineClock({ clockOffsetMs }: PostgresExamination): Finding {
  const offset = formatDuration(Math.abs(clockOffsetMs));
  if (Math.abs(clockOffsetMs) <= CLOCK_TOLERANCE_MS) return fine("server clock", `within ${offset} of this machine's`);
  const message = `${offset} ${clockOffsetMs > 0 ? "ahead of" : "behind"} this machine's; jobs go by the server's`;
  return wrong("server clock", message, "keep both clocks with NTP");
}

function examinePooler({ isPooled }: PostgresExamination): Finding {
  if (!isPooled) return fine("pooler", "none in the way: daemons hear each other's hints");
  const message = "the address leads to a pooler of transactions: hints between daemons are off, polling stands in";
  return wrong("pooler", message, "give the server's own address, or a pooler in session mode (pool_mode = session)");
}

function examineDurability({ settings }: PostgresExamination): readonly Finding[] {
  const off = [
    ...(settings.fsync === "off" ? [["fsync", "a power cut may lose acknowledged jobs and damage the database"]] : []),
    ...(settings.fullPageWrites === "off" ? [["full_page_writes", "a power cut may tear pages apart"]] : []),
  ];
  if (off.length > 0) {
    return off.map(([name, consequence]) =>
      wrong("durability", `${name} is off: ${consequence}`, `alter system set ${name} = on; select pg_reload_conf()`),
    );
  }
  const { synchronousCommit } = settings;
  const note =
    synchronousCommit === "off"
      ? "; synchronous_commit is off for others on this server, Reseolio's own sessions set it to on"
      : "";
  return [fine("durability", `a commit is on disk when it is acknowledged${note}`)];
}

function examineReplication({ settings }: PostgresExamination): Finding {
  const names = settings.synchronousStandbyNames;
  if (names !== "") return fine("replication", `a commit waits for the standbys ${names}`);
  return fine("replication", "no synchronous standby: a failover may lose the last acknowledged commits");
}

/** A daemon holds about five, and one more while it starts. */
const LEAST_CONNECTIONS = 6;

function examineConnections({ connectionsLeft, mostConnections }: PostgresExamination): Finding {
  const text = `${connectionsLeft} of ${mostConnections} are left`;
  if (connectionsLeft >= LEAST_CONNECTIONS) return fine("connections", text);
  const mend = `alter system set max_connections = ${mostConnections * 2}, and restart the server; or stop other clients`;
  return wrong("connections", `${text}, a daemon needs ${LEAST_CONNECTIONS}`, mend);
}

const LONG_TRANSACTION_MS = 10 * 60_000;
const MANY_TRANSACTIONS = 10_000_000;

function examineTransactions({ transactions }: PostgresExamination): readonly Finding[] {
  const long = transactions.filter(
    ({ ageMs, xminAge }) => (ageMs ?? 0) > LONG_TRANSACTION_MS || xminAge > MANY_TRANSACTIONS,
  );
  if (long.length === 0) {
    const oldest = Math.max(0, ...transactions.map(({ ageMs }) => ageMs ?? 0));
    return [fine("transactions", oldest === 0 ? "none is open" : `the oldest is open for ${formatDuration(oldest)}`)];
  }
  return long.map((one) => {
    const age = one.ageMs === null ? `${one.xminAge} transactions` : formatDuration(one.ageMs);
    const who =
      one.kind === "session" ? `session ${one.pid} of ${one.user} (${one.name || "no name"}, ${one.state})` : one.name;
    const message = `${who} holds back vacuum for ${age}: dead rows pile up and claims get slower`;
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
      return `select pg_drop_replication_slot(${literal(name)}), when nobody needs it`;
  }
}

/** Below it, a look through the dead rows costs less than a person's time. */
const MANY_DEAD_ROWS = 10_000;

function examineVacuum({ tables, schema, settings, unvacuumedTables }: PostgresExamination): readonly Finding[] {
  const findings: Finding[] = [];
  if (settings.autovacuum === "off") {
    const mend = "alter system set autovacuum = on; select pg_reload_conf()";
    findings.push(wrong("vacuum", "autovacuum is off on the whole server", mend));
  }
  for (const table of unvacuumedTables) {
    const mend = `alter table ${schema}.${table} reset (autovacuum_enabled)`;
    findings.push(wrong("vacuum", `autovacuum is off for ${table}`, mend));
  }
  for (const { table, rows, deadRows } of tables) {
    if (deadRows <= MANY_DEAD_ROWS || deadRows <= rows / 2) continue;
    const mend = `vacuum (verbose, analyze) ${schema}.${table}; it tells what holds rows back`;
    findings.push(wrong("vacuum", `${table} has ${deadRows} dead rows beside ${rows} live ones`, mend));
  }
  const dead = tables.reduce((sum, { deadRows }) => sum + deadRows, 0);
  return findings.length > 0 ? findings : [fine("vacuum", `${dead} dead rows`)];
}

function examineIndexes({ invalidIndexes, schema }: PostgresExamination): Finding {
  if (invalidIndexes.length === 0) return fine("indexes", "all are valid");
  const mend = invalidIndexes.map((index) => `reindex index concurrently ${schema}.${index}`).join("; ");
  return wrong("indexes", `not valid, so not used: ${invalidIndexes.join(", ")}`, mend);
}

function examinePrivileges({ missingPrivileges, schema, user }: PostgresExamination): Finding {
  if (missingPrivileges.length === 0) return fine("privileges", `${user} has what it needs`);
  const to = `"${user.replaceAll('"', '""')}"`;
  const mend =
    `as the owner: grant usage on schema ${schema} to ${to}; grant all on all tables in schema ${schema} to ${to}; ` +
    `grant all on all sequences in schema ${schema} to ${to}`;
  return wrong("privileges", `${user} lacks: ${missingPrivileges.join(", ")}`, mend);
}

function examineDrift({ drift, user }: PostgresExamination): readonly Finding[] {
  if (drift.kind === "not_allowed") {
    return [fine("drift", `not compared: ${user} may not make the schema to compare with; run doctor as the owner`)];
  }
  if (drift.differences.length === 0) return [fine("drift", "tables and indexes are as the migrations make them")];
  return drift.differences.map(({ message, statement }) => wrong("drift", message, statement));
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
