/**
 * The environment of the chaos run: PostgreSQL, three daemons (one behind an unreliable network), callers and workers.
 */
import { join } from "node:path";
import { type CuttingProxy, startCuttingProxy } from "../../../test/support/cutting-proxy.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";
import { randomFrom } from "../../../test/support/seeded-random.ts";
import { freePort } from "../../bench/daemon-process.ts";
import { type SoakChild, startCaller, startFlowWorker } from "../child.ts";
import { SupervisedDaemon } from "./supervised-daemon.ts";

export const CALL_TIMEOUT_MS = 15_000;
export const RESULT_TIMEOUT_MS = 20_000;
const DAEMONS = 3;
const LANES = 4;
/** Calls come at a rate that does not need the whole machine: the question is whether work continues. */
const PAUSE_MS = 40;
const READY_MS = 20_000;
const CONCURRENCY = 20;
const FUNCTION = "soak:chaos:job";
const FLOW = "soak:chaos:flow";
/** How long each workflow sleeps. */
export const SLEEP_MS = 300;

/** Released by `await using`. */
export interface Stage extends AsyncDisposable {
  readonly server: PostgresServer;
  /** Between PostgreSQL and the last of the daemons. */
  readonly network: CuttingProxy;
  readonly daemons: readonly SupervisedDaemon[];
  readonly callers: readonly SoakChild[];
  readonly workers: readonly SoakChild[];
  readonly callLog: string;
  readonly executionLog: string;
  readonly flowLog: string;
}

/** Everything is connected when this resolves. */
export async function setStage(command: readonly string[], directory: string, lease: string): Promise<Stage> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startPostgres({ settings: ["max_connections = 100"] }));
  const network = starting.use(await startCuttingProxy(`127.0.0.1:${server.port}`, randomFrom(1)));
  const daemons: SupervisedDaemon[] = [];
  for (let index = 0; index < DAEMONS; index++) {
    const db = server.url("postgres");
    const isBehindNetwork = index === DAEMONS - 1;
    const url = isBehindNetwork ? db.replace(`127.0.0.1:${server.port}`, network.address) : db;
    const args = ["--lease", lease, "--log-format", "json"];
    const daemon = new SupervisedDaemon(command, url, await freePort(), args);
    starting.defer(() => daemon.end());
    daemons.push(daemon);
  }
  await Promise.all(daemons.map((daemon) => daemon.ready(READY_MS)));
  const callLog = join(directory, "chaos-calls.log");
  const executionLog = join(directory, "chaos-executions.log");
  const flowLog = join(directory, "chaos-flows.log");
  const own = (child: SoakChild): SoakChild => {
    starting.defer(() => child.kill());
    return child;
  };
  const common = { functionName: FUNCTION, flowName: FLOW };
  const workers = await Promise.all(
    daemons.map(async (_, index) => {
      const address = addressesFrom(daemons, index);
      const logs = { log: executionLog, flowLog };
      const timing = { concurrency: CONCURRENCY, minMs: 1, maxMs: 20, sleepMs: SLEEP_MS };
      return own(await startFlowWorker({ address, ...common, ...logs, ...timing }));
    }),
  );
  const callers = await Promise.all(
    daemons.map(async (_, index) => {
      const address = addressesFrom(daemons, index);
      const pace = { name: `c${index}`, lanes: LANES, pauseMs: PAUSE_MS };
      const deadlines = { callTimeoutMs: CALL_TIMEOUT_MS, resultTimeoutMs: RESULT_TIMEOUT_MS };
      return own(await startCaller({ address, ...common, ...pace, ...deadlines, log: callLog }));
    }),
  );
  const owned = starting.move();
  return {
    ...{ server, network, daemons, callers, workers, callLog, executionLog, flowLog },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Every address, in a different order for each client: a client that loses its daemon switches to the next. */
function addressesFrom(daemons: readonly SupervisedDaemon[], first: number): readonly string[] {
  return [...daemons.slice(first), ...daemons.slice(0, first)].map((daemon) => daemon.address);
}
