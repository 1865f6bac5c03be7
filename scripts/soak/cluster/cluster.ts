/** Daemons on one PostgreSQL server of their own, each under a supervisor. */
import postgres from "postgres";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";
import { freePort } from "../../bench/daemon-process.ts";
import { SupervisedDaemon } from "../chaos/supervised-daemon.ts";

const READY_MS = 30_000;

/** Released by `await using`. */
export interface Cluster extends AsyncDisposable {
  readonly server: PostgresServer;
  readonly daemons: readonly SupervisedDaemon[];
  /** The addresses of all, beginning with this one, as a client takes them. */
  addressesFrom(place: number): string;
  /** Asks the database itself. */
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
}

/** @param commands of each daemon: program and leading arguments */
export async function startCluster(
  commands: readonly (readonly string[])[],
  args: readonly string[],
): Promise<Cluster> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startPostgres({ settings: ["max_connections = 100"] }));
  const db = server.url("postgres");
  const daemons: SupervisedDaemon[] = [];
  for (const command of commands) {
    const daemon = new SupervisedDaemon(command, db, await freePort(), ["--log-format", "json", ...args]);
    starting.defer(() => daemon.end());
    daemons.push(daemon);
  }
  await Promise.all(daemons.map((daemon) => daemon.ready(READY_MS)));
  const addresses = daemons.map(({ address }) => address);
  const owned = starting.move();
  return {
    server,
    daemons,
    addressesFrom: (place) => addresses.map((_, index) => addresses[(place + index) % addresses.length]).join(","),
    async query(sql) {
      const client = postgres(db, { max: 1, onnotice: () => {} });
      try {
        return [...(await client.unsafe(sql))];
      } finally {
        await client.end({ timeout: 1 });
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
