import postgres from "postgres";
import type { PostgresAddress } from "./address.ts";
import type { Param } from "./literals.ts";
import type { Row } from "./rows.ts";

export interface Timeouts {
  /** For connecting and authenticating. */
  readonly connectMs: number;
  /** The server cancels a statement after this time. */
  readonly statementMs: number;
  /** The server stops waiting for a lock after this time. */
  readonly lockMs: number;
  /**
   * The server ends a transaction that is idle this long, and frees its locks before those who wait for them give up.
   */
  readonly idleInTransactionMs: number;
  /** The client gives up on a server that does not answer at all; longer than the other timeouts. */
  readonly answerMs: number;
}

export const USUAL_TIMEOUTS: Timeouts = {
  connectMs: 5_000,
  statementMs: 10_000,
  lockMs: 5_000,
  idleInTransactionMs: 4_000,
  answerMs: 15_000,
};

/** Whether settings of a session hold: not behind a pooler that gives each transaction another connection. */
export type SessionKind = "direct" | "pooled";

export interface ClientOptions {
  readonly address: PostgresAddress;
  readonly timeouts: Timeouts;
  readonly session: SessionKind;
  readonly max: number;
  readonly onNotify?: (payload: string) => void;
  readonly onClose?: () => void;
}

/** A driver's pool; connects when it is first used. */
export type Client = ReturnType<typeof connect>;

export function connect({ address, timeouts, session, max, onNotify, onClose }: ClientOptions) {
  return postgres(address.url, {
    max,
    prepare: session === "direct",
    fetch_types: false,
    connect_timeout: timeouts.connectMs / 1000,
    idle_timeout: 0,
    max_lifetime: null,
    // Makes the driver wait before the next try; statements sent meanwhile fail at once.
    backoff: false,
    onnotice: () => {},
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: { application_name: "reseolio", ...(session === "direct" ? sessionSettings(timeouts) : {}) },
    ...(onNotify === undefined ? {} : { onnotify: (_channel: string, payload: string) => onNotify(payload) }),
    ...(onClose === undefined ? {} : { onclose: () => onClose() }),
  } as postgres.Options<{ bigint: postgres.PostgresType<number> }>);
}

/**
 * Every statement of ours uses an index. A planner without statistics of new rows may choose another plan, so other
 * plans are disabled.
 */
export function sessionSettings(timeouts: Timeouts): Readonly<Record<string, string>> {
  return {
    synchronous_commit: "on",
    statement_timeout: String(timeouts.statementMs),
    lock_timeout: String(timeouts.lockMs),
    idle_in_transaction_session_timeout: String(timeouts.idleInTransactionMs),
    plan_cache_mode: "force_generic_plan",
    enable_seqscan: "off",
    enable_bitmapscan: "off",
    enable_hashjoin: "off",
    enable_mergejoin: "off",
    jit: "off",
  };
}

/** Runs one statement of a fixed text, prepared once per connection where that is possible. */
export function runRows(
  client: Pick<Client, "unsafe">,
  sql: string,
  params: readonly Param[],
): Promise<readonly Row[]> {
  return client.unsafe(sql, params as never[], { prepare: true }).values() as unknown as Promise<readonly Row[]>;
}

/** Ends a client at once, whatever its connections are waiting for. */
export async function destroy(client: Client): Promise<void> {
  await client.end({ timeout: 0 });
}
