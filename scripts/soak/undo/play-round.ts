/** One round: orders on a daemon and two workers, all of which are killed until every order and every undo has ended. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { type JobHandle, Reseolio } from "../../../src/sdk/index.ts";
import { type Client, createClient } from "../../../src/sdk/transport/client.ts";
import { type StoreKind, testStore } from "../../../test/support/each-store.ts";
import { type BenchDaemon, startDaemon } from "../../bench/daemon-process.ts";
import type { OrderWorkerSettings } from "../child-settings.ts";
import { startOrderWorker } from "../child.ts";
import { Random } from "../random.ts";
import { type Kills, readEffects } from "./effect-log.ts";
import type { OrderEnd } from "./judge-order.ts";
import { type OrderPlan, planOrders } from "./plan-orders.ts";
import { readOrder } from "./read-orders.ts";

export interface RoundSettings {
  readonly executable: string;
  /** For the log. */
  readonly directory: string;
  readonly store: StoreKind;
  readonly seed: number;
  readonly orders: number;
  readonly daemonKills: number;
}

export interface RoundReport {
  readonly orders: readonly OrderEnd[];
  readonly kills: Kills;
  /** Jobs that have not ended, in the daemon's words. */
  readonly open: readonly string[];
}

const WORKERS = 2;
/** How long a process lives once it is connected. */
const LIFE_MS = [20, 250] as const;
/** More than a round needs, unless the machine is busy: what cannot be replayed in one life would never end. */
const SHORT_LIVES = 30;
const BETWEEN_DAEMON_KILLS_MS = [300, 2_000] as const;
/** About as long as the orders of a round take through the kills. */
const CANCEL_WITHIN_MS = 3_000;
/** For the whole of it on a machine that has other things to do. */
const ROUND_MS = 180_000;
const POLL_MS = 100;
const MANY = 1_000_000;
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
/** Kills of workers are what these jobs are made for. */
const DAEMON_ENV = { RESEOLIO_MAX_LOSSES: String(MANY), RESEOLIO_MAX_CONCURRENT: "0" };

let count = 0;

/** Throws only when it could not be played at all. */
export async function playRound(settings: RoundSettings): Promise<RoundReport> {
  const { executable, store, seed, directory } = settings;
  const name = `undo-${++count}`;
  await using stage = new AsyncDisposableStack();
  const { db } = stage.use(await testStore(store).createDatabase());
  const daemon = new KilledDaemon(executable, db, await startDaemon(executable, db, { env: DAEMON_ENV }));
  stage.defer(() => daemon.end());
  const worker: OrderWorkerSettings = {
    ...{ address: daemon.address, functionName: `soak:${name}`, concurrency: settings.orders * 2 },
    ...{ maxParkedHandlers: MANY, log: join(directory, `${name}.jsonl`) },
  };
  // Plans are the same for the same seed, wherever kills fall.
  const plans = planOrders(settings.orders, CANCEL_WITHIN_MS, new Random(seed));
  const jobs = await enqueue(plans, worker, stage);

  const over = new AbortController();
  const kills = new Map<number, number>();
  const chances = Array.from({ length: WORKERS + 1 }, (_, index) => new Random(seed + 1 + index));
  const [ofDaemon, ...ofWorkers] = chances;
  const killing = Promise.all(ofWorkers.map((random) => killAgainAndAgain(worker, random, kills, over.signal)));
  const client = stage.adopt(createClient({ address: daemon.address }), (one) => one.close());
  const acts = [
    cancelSome(plans, jobs),
    ...(ofDaemon === undefined ? [] : [daemon.restart(settings.daemonKills, ofDaemon)]),
  ];
  try {
    const ended = Promise.all(acts).then(() => untilEnded(client, worker.functionName));
    // Nothing would end any more when no worker can be started.
    const open = await Promise.race([ended, killing.then(() => ended)]);
    return { orders: await readEnds(client, plans, jobs, worker.log), kills, open };
  } finally {
    over.abort();
    await killing;
  }
}

/** Started again on the same port each time. */
class KilledDaemon {
  readonly address: string;
  #daemon: BenchDaemon;

  constructor(
    private readonly executable: string,
    private readonly db: string,
    daemon: BenchDaemon,
  ) {
    this.#daemon = daemon;
    this.address = daemon.address;
  }

  async restart(times: number, random: Random): Promise<void> {
    for (let kill = 0; kill < times; kill++) {
      await Bun.sleep(random.between(...BETWEEN_DAEMON_KILLS_MS));
      await this.#daemon.kill();
      this.#daemon = await startDaemon(this.executable, this.db, { port: this.#daemon.port, env: DAEMON_ENV });
    }
  }

  end(): Promise<void> {
    return this.#daemon.kill();
  }
}

async function enqueue(
  plans: readonly OrderPlan[],
  { address, functionName }: OrderWorkerSettings,
  stage: AsyncDisposableStack,
): Promise<readonly JobHandle[]> {
  const client = new Reseolio({ address, autoStart: false, workerConcurrency: 0, logger: QUIET });
  stage.defer(() => client.stop());
  await client.start();
  return Promise.all(plans.map((plan) => client.enqueue(functionName, [plan])));
}

async function cancelSome(plans: readonly OrderPlan[], jobs: readonly JobHandle[]): Promise<void> {
  await Promise.all(
    plans.map(async ({ cancelAtMs }, index) => {
      if (cancelAtMs === null) return;
      await Bun.sleep(cancelAtMs);
      await untilAnswered(async () => jobs[index]?.cancel());
    }),
  );
}

async function killAgainAndAgain(
  settings: OrderWorkerSettings,
  random: Random,
  kills: Map<number, number>,
  over: AbortSignal,
): Promise<void> {
  for (let life = 0; !over.aborted; life++) {
    // Every other process gives up the memory of handlers that wait, so that they are replayed while it lives.
    const worker = await startOrderWorker({ ...settings, maxParkedHandlers: life % 2 === 0 ? MANY : 0 });
    await Bun.sleep(random.between(...LIFE_MS) * Math.max(1, life / SHORT_LIVES));
    // Before the signal: the daemon may hand the jobs on before we hear that the process is gone.
    if (!over.aborted) kills.set(worker.pid, Date.now());
    await worker.kill();
  }
}

/** An undo job is stored with the end of its order, so when nothing is open everything has ended. */
async function untilEnded({ jobs }: Client, functionName: string): Promise<readonly string[]> {
  const filter = {
    functionNames: [functionName],
    states: [JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED],
  };
  const endAt = performance.now() + ROUND_MS;
  for (;;) {
    const open = (await untilAnswered(() => jobs.listJobs({ filter, pageSize: 1_000 }))).jobs;
    if (open.length === 0) return [];
    if (performance.now() > endAt) {
      return Promise.all(open.map(async ({ jobId }) => (await jobs.explainJob({ jobId })).summary));
    }
    await Bun.sleep(POLL_MS);
  }
}

async function readEnds(
  client: Client,
  plans: readonly OrderPlan[],
  jobs: readonly JobHandle[],
  log: string,
): Promise<readonly OrderEnd[]> {
  const effects = Map.groupBy(readEffects(existsSync(log) ? readFileSync(log, "utf8") : ""), ({ jobId }) => jobId);
  return Promise.all(
    plans.map(async (plan, index) => {
      const jobId = jobs[index]?.jobId ?? "";
      return { plan, record: await readOrder(client, jobId), effects: effects.get(jobId) ?? [] };
    }),
  );
}

/** The daemon may be away: whatever is asked here may be asked again. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  const endAt = performance.now() + ROUND_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > endAt) throw error;
      await Bun.sleep(POLL_MS);
    }
  }
}
