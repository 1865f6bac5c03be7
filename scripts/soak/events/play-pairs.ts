/**
 * P13 on PostgreSQL: waits and emits in random order, over two daemons that are killed, with workers that are killed.
 * Each wait ends once, with the first payload or at its timeout, whatever dies when.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Reseolio } from "../../../src/sdk/index.ts";
import { type Client, createClient } from "../../../src/sdk/transport/client.ts";
import { startPostgres } from "../../../test/support/postgres-server.ts";
import { freePort } from "../../bench/daemon-process.ts";
import { SupervisedDaemon } from "../chaos/supervised-daemon.ts";
import { type SoakChild, startWaiter } from "../child.ts";
import type { Random } from "../random.ts";
import { judgePairs, type Kept, type PairEnd } from "./judge-pairs.ts";
import { type Emit, type Pair, planPairs } from "./plan-pairs.ts";
import { readWaits } from "./read-waits.ts";

export interface PairSettings {
  /** The daemon's program and leading arguments. */
  readonly command: readonly string[];
  /** For logs. */
  readonly directory: string;
  readonly random: Random;
  readonly pairs: number;
  /** Over which the waits and emits are spread. */
  readonly lengthMs: number;
  readonly killEveryMs: readonly [number, number];
  progress(text: string): void;
}

export interface PairReport {
  readonly told: number;
  readonly timedOut: number;
  readonly daemonKills: number;
  readonly workerKills: number;
  /** How late the latest timeout was; kills of daemons delay them. */
  readonly latestMs: number;
  readonly faults: readonly string[];
}

const FUNCTION = "soak:events:wait";
const READY_MS = 20_000;
/** For the whole of it on a machine that has other things to do. */
const RESULT_MS = 180_000;
const CONCURRENCY = 20;
const LOG_CHARS = 4_000;
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

/** Throws only when it could not be played at all. */
export async function playPairs(settings: PairSettings): Promise<PairReport> {
  await using stage = new AsyncDisposableStack();
  const server = stage.use(await startPostgres({ settings: ["max_connections = 60"] }));
  const daemons = await startDaemons(settings, server.url("postgres"), stage);
  const waitLog = join(settings.directory, "waits.log");
  const workers = await Waiters.start(daemons, waitLog, stage);
  const clients = await startClients(daemons, stage);
  const emitters = daemons.map(({ address }) => stage.adopt(createClient({ address }), (client) => client.close()));

  const pairs = planPairs(settings.pairs, settings.lengthMs, settings.random);
  const over = new AbortController();
  const kills = killNowAndThen(settings, daemons, workers, over.signal);
  const startedAt = performance.now();
  const plays = pairs.map((pair, index) => playPair(pair, cyclic(clients, index), emitters, startedAt));
  const ends = await Promise.all(plays).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${daemons.map((daemon) => daemon.output.slice(-LOG_CHARS)).join("\n")}`);
  });
  over.abort();
  const { daemonKills, workerKills } = await kills;

  const unwanted = daemons.flatMap((daemon) => daemon.unwantedEnds);
  const waits = await readWaits(server.url("postgres"));
  const log = readFileSync(waitLog, "utf8").trimEnd().split("\n");
  return {
    told: ends.filter((end) => end.told !== null).length,
    timedOut: ends.filter((end) => end.told === null).length,
    ...{ daemonKills, workerKills },
    latestMs: Math.max(0, ...waits.map((wait) => (wait.timedOut ? (wait.endedAt ?? 0) - (wait.dueAt ?? 0) : 0))),
    faults: [...unwanted, ...judgePairs(ends, log, waits)],
  };
}

async function startDaemons(settings: PairSettings, db: string, stage: AsyncDisposableStack) {
  const daemons: SupervisedDaemon[] = [];
  for (let index = 0; index < 2; index++) {
    const args = ["--lease", "3s", "--log-format", "json", "--max-concurrent", "0"];
    const daemon = new SupervisedDaemon(settings.command, db, await freePort(), args);
    stage.defer(() => daemon.end());
    daemons.push(daemon);
  }
  await Promise.all(daemons.map((daemon) => daemon.ready(READY_MS)));
  return daemons;
}

async function startClients(daemons: readonly SupervisedDaemon[], stage: AsyncDisposableStack) {
  return Promise.all(
    daemons.map(async ({ address }) => {
      const options = { autoStart: false, workerConcurrency: 0, callTimeoutMs: RESULT_MS, logger: QUIET };
      const client = new Reseolio({ address, ...options });
      stage.defer(() => client.stop());
      await client.start();
      return client;
    }),
  );
}

/** One worker for each daemon; a killed one is replaced. */
class Waiters {
  readonly #children: SoakChild[] = [];

  private constructor(
    private readonly daemons: readonly SupervisedDaemon[],
    private readonly log: string,
  ) {}

  static async start(daemons: readonly SupervisedDaemon[], log: string, stage: AsyncDisposableStack): Promise<Waiters> {
    const waiters = new Waiters(daemons, log);
    stage.defer(() => waiters.end());
    await Promise.all(daemons.map((_, index) => waiters.#start(index)));
    return waiters;
  }

  async replace(index: number): Promise<void> {
    await this.#children[index]?.kill();
    await this.#start(index);
  }

  async end(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
  }

  async #start(index: number): Promise<void> {
    const { address } = cyclic(this.daemons, index);
    this.#children[index] = await startWaiter({
      ...{ address, functionName: FUNCTION, concurrency: CONCURRENCY, log: this.log },
    });
  }
}

async function killNowAndThen(
  { random, killEveryMs, progress }: PairSettings,
  daemons: readonly SupervisedDaemon[],
  workers: Waiters,
  over: AbortSignal,
): Promise<{ readonly daemonKills: number; readonly workerKills: number }> {
  let daemonKills = 0;
  let workerKills = 0;
  while (await pass(random.between(...killEveryMs), over)) {
    const index = Math.floor(random.next() * daemons.length);
    if (random.next() < 0.5) {
      cyclic(daemons, index).kill();
      daemonKills++;
    } else {
      await workers.replace(index);
      workerKills++;
    }
    progress(`events: ${daemonKills} daemons and ${workerKills} workers killed so far`);
  }
  return { daemonKills, workerKills };
}

function pass(ms: number, over: AbortSignal): Promise<boolean> {
  if (over.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), ms);
    over.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}

async function playPair(
  pair: Pair,
  waiter: Reseolio,
  emitters: readonly Client[],
  startedAt: number,
): Promise<PairEnd> {
  const [ended, ...kept] = await Promise.all([
    wait(pair, waiter, cyclic(emitters, 0), startedAt),
    ...pair.emits.map((emit) => tell(pair, emit, cyclic(emitters, emit.daemon), startedAt)),
  ]);
  return { pair, ...ended, kept };
}

async function wait(pair: Pair, client: Reseolio, emitter: Client, startedAt: number) {
  await untilTime(startedAt + pair.awaitAtMs);
  const job = await client.enqueue<string | null>(FUNCTION, [pair.eventName, pair.timeoutMs], {
    idempotencyKey: pair.eventName,
  });
  const told = await job.result(RESULT_MS).catch(async (error: unknown) => {
    throw new Error(`${pair.eventName}: ${await explain(emitter, job.jobId)}`, { cause: error });
  });
  return { jobId: job.jobId, told };
}

async function explain({ jobs }: Client, jobId: string): Promise<string> {
  return jobs.explainJob({ jobId }).then(
    ({ summary }) => summary,
    (error: unknown) => `job ${jobId} did not end, and it cannot be asked why: ${String(error)}`,
  );
}

/** Emitting again is harmless, so an answer that was lost is asked for again. */
async function tell(pair: Pair, { atMs, payload }: Emit, client: Client, startedAt: number): Promise<Kept> {
  await untilTime(startedAt + atMs);
  const endAt = performance.now() + RESULT_MS;
  for (;;) {
    try {
      const bytes = new TextEncoder().encode(JSON.stringify(payload));
      const { event, created } = await client.events.emitEvent({ name: pair.eventName, payload: bytes });
      return { payload: String(JSON.parse(new TextDecoder().decode(event?.payload))), created, answeredAt: Date.now() };
    } catch (error) {
      if (performance.now() > endAt) throw error;
      await Bun.sleep(50);
    }
  }
}

async function untilTime(at: number): Promise<void> {
  const leftMs = at - performance.now();
  if (leftMs > 0) await Bun.sleep(leftMs);
}

function cyclic<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  if (item === undefined) throw new Error("there is nothing to choose from");
  return item;
}
