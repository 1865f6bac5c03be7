import { DaemonError } from "../../../core/errors.ts";
import { readSupportedVersion } from "../../migrate.ts";
import { parsePostgresUrl, type PostgresAddress } from "../connection/address.ts";
import {
  type Client,
  connect,
  destroy,
  type SessionKind,
  type Timeouts,
  USUAL_TIMEOUTS,
} from "../connection/connection.ts";
import { withDeadline } from "../connection/deadline.ts";
import { faultCode } from "../connection/faults.ts";
import { POSTGRES_MIGRATIONS, postgresTarget } from "../migrations/migrations.ts";
import { refuse } from "./open-database.ts";

/** A database opened for reading, beside daemons that may be running on it. */
export interface ExistingDatabase {
  readonly address: PostgresAddress;
  /** One connection; statements may take long. */
  readonly client: Client;
  readonly session: SessionKind;
  /** 0 when there is no reseolio schema. */
  readonly schemaVersion: number;
}

/** Timeouts of commands, whose statements may scan tables. */
export const PATIENT_TIMEOUTS: Timeouts = {
  ...USUAL_TIMEOUTS,
  statementMs: 0,
  idleInTransactionMs: 0,
  answerMs: 10 * 60_000,
};

/**
 * Runs `work` on one connection. Throws `unavailable` when there is no server, `failed_precondition` when it refuses
 * us or has a newer schema, both with what to change.
 */
export async function onExisting<T>(url: string, work: (existing: ExistingDatabase) => Promise<T>): Promise<T> {
  const address = parsePostgresUrl(url);
  const { client, session } = await connectKindly(address);
  try {
    const schemaVersion = await readSupportedVersion(postgresTarget(client, address), POSTGRES_MIGRATIONS);
    return await bounded(address, client, work({ address, client, session, schemaVersion }));
  } catch (fault) {
    return refuse(address, fault);
  } finally {
    await destroy(client);
  }
}

/**
 * Returns a connection that works; configured for a pooler when there is one.
 *
 * @param onClose called when the connection that was returned is lost
 */
export async function connectKindly(
  address: PostgresAddress,
  onClose: () => void = () => {},
): Promise<{ readonly client: Client; readonly session: SessionKind }> {
  const settings = { address, timeouts: PATIENT_TIMEOUTS, max: 1 };
  let isChosen = false;
  const client = connect({ ...settings, session: "direct", onClose: () => isChosen && onClose() });
  try {
    await bounded(address, client, client.unsafe("select 1"));
    isChosen = true;
    return { client, session: "direct" };
  } catch (fault) {
    await destroy(client);
    if (faultCode(fault) !== "08P01") return refuse(address, fault);
    return { client: connect({ ...settings, session: "pooled", onClose }), session: "pooled" };
  }
}

function bounded<T>(address: PostgresAddress, client: Client, work: PromiseLike<T>): Promise<T> {
  return withDeadline(Promise.resolve(work), PATIENT_TIMEOUTS.answerMs, address.name, () => void destroy(client));
}

/** Marks that there is no such schema. */
export function noSchema({ name, schema }: PostgresAddress): DaemonError {
  return new DaemonError(
    "not_found",
    `${name} has no reseolio schema named ${schema}: use the address passed to reseolio serve --db`,
  );
}
