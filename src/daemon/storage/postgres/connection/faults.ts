import { DaemonError, type ErrorCode } from "../../../core/errors.ts";

/** Error codes of the driver and the system for a connection that cannot be opened or is lost. */
const LOST = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ERR_SOCKET_CLOSED",
]);

/** The backend ended: terminated, crashed, shut down, starting, idle for too long within a transaction. */
const ENDED = new Set(["57P01", "57P02", "57P03", "57P05", "25P03"]);

/**
 * Translates a fault of PostgreSQL or of its connection to a `DaemonError`; returns any other error as it is.
 *
 * @param name of the database, for the message; never a password
 */
export function toStoreError(fault: unknown, name: string): unknown {
  const code = faultCode(fault);
  if (code === null) return fault;
  const [kind, advice] = verdictOn(code);
  return new DaemonError(kind, `PostgreSQL at ${name}: ${(fault as Error).message || code} (${code}); ${advice}`, {
    cause: plainCause(fault as Error, code),
    metadata: { postgresCode: code },
  });
}

/** SQLSTATE, or the code of the driver or the system; null for any other error. */
export function faultCode(fault: unknown): string | null {
  if (!(fault instanceof Error) || fault instanceof DaemonError) return null;
  const code = (fault as Error & { code?: unknown }).code;
  return typeof code === "string" && (LOST.has(code) || /^[0-9A-Z]{5}$/.test(code) || /^[A-Z_]+$/.test(code))
    ? code
    : null;
}

/** The connection cannot be used any more after such a fault. */
export function isLoss(fault: unknown): boolean {
  const code = faultCode(fault);
  return code !== null && (LOST.has(code) || ENDED.has(code) || code.startsWith("08"));
}

/** A deadlock: the server rolled this transaction back. */
export function isDeadlock(fault: unknown): boolean {
  const code = faultCode(fault);
  return code === "40P01" || code === "40001";
}

/** A row with this key exists already. */
export function isTaken(fault: unknown): boolean {
  return faultCode(fault) === "23505";
}

function verdictOn(code: string): readonly [ErrorCode, string] {
  if (LOST.has(code) || ENDED.has(code) || code.startsWith("08")) {
    return ["unavailable", "the connection was lost: reseolio reconnects as soon as the server answers"];
  }
  if (code === "53100")
    return ["resource_exhausted", "the server's disk is full: free some space; reseolio recovers by itself"];
  if (code === "53200")
    return ["resource_exhausted", "the server is out of memory: send smaller batches, or add memory"];
  if (code === "53300")
    return ["unavailable", "the server has no free connections: raise max_connections, or stop other clients"];
  if (code === "40001" || code === "40P01")
    return ["unavailable", "the transaction conflicted with another one: try again"];
  if (code === "55P03" || code === "57014")
    return ["unavailable", "the statement took too long and was cancelled: try again"];
  if (code === "25006") {
    return [
      "unavailable",
      "the server is read-only, perhaps a standby: point --db at the primary, or wait for the failover",
    ];
  }
  if (code.startsWith("28"))
    return ["unavailable", "the server rejected this user: check the user name, the password and pg_hba.conf"];
  if (code === "42501")
    return ["internal", "the user lacks a privilege: reseolio doctor shows the statement that grants it"];
  if (code === "42P01" || code === "3F000")
    return ["internal", "the schema is incomplete: run reseolio db migrate to restore it"];
  if (code === "54000" || code === "22001")
    return ["resource_exhausted", "too large for PostgreSQL: send smaller payloads"];
  return ["internal", "please report this with the text above"];
}

/** The driver's errors carry the statement's parameters, which are a user's data. */
function plainCause(fault: Error, code: string): Error {
  return Object.assign(new Error(fault.message), { code });
}
