/** P3 on a cluster: many callers with the same keys, while daemons die. */
import { Reseolio } from "../../../src/sdk/index.ts";
import { startCluster } from "./cluster.ts";

export interface KeysSettings {
  /** Program and leading arguments of the daemon. */
  readonly command: readonly string[];
  readonly daemons: number;
  readonly callers: number;
  readonly keys: number;
}

export interface KeysReport {
  readonly faults: readonly string[];
  readonly calls: number;
  readonly kills: number;
  readonly toldAsNew: number;
}

const FUNCTION = "soak:cluster:keyed";
const KILL_AFTER_MS = 150;

/** Kills half of the daemons, rounded up, with -9 while the calls are in progress; each restarts a moment later. */
export async function playKeys(settings: KeysSettings): Promise<KeysReport> {
  await using owned = new AsyncDisposableStack();
  const commands = Array.from({ length: settings.daemons }, () => settings.command);
  const cluster = owned.use(await startCluster(commands, []));
  const callers = await Promise.all(
    Array.from({ length: settings.callers }, async (_, place) => {
      const client = new Reseolio({
        address: cluster.addressesFrom(place),
        workerConcurrency: 0,
        callTimeoutMs: 60_000,
      });
      await client.start();
      return owned.use(client);
    }),
  );
  let kills = 0;
  const killing = (async () => {
    for (const daemon of cluster.daemons.slice(0, Math.ceil(settings.daemons / 2))) {
      await Bun.sleep(KILL_AFTER_MS);
      daemon.kill();
      kills++;
    }
  })();
  const answers = (await Promise.all(callers.map((caller, place) => callEachKey(caller, settings.keys, place)))).flat();
  await killing;

  const byKey = Map.groupBy(answers, ({ key }) => key);
  const faults = [...byKey].flatMap(([key, given]) => {
    const ids = new Set(given.map(({ jobId }) => jobId));
    return ids.size === 1 ? [] : [`${key} has ${ids.size} jobs: ${[...ids].join(", ")}`];
  });
  const stored = await cluster.query(
    "select idempotency_key as key, count(*)::int as jobs from reseolio.jobs group by 1",
  );
  if (stored.length !== settings.keys) faults.push(`${stored.length} keys are stored, ${settings.keys} were called`);
  for (const { key, jobs } of stored) if (jobs !== 1) faults.push(`${String(key)} is stored ${String(jobs)} times`);
  const toldAsNew = answers.filter(({ deduplicated }) => !deduplicated).length;
  // A call whose answer was lost with its daemon is repeated and finds its own job, which still counts as new only
  // once.
  if (toldAsNew !== settings.keys) faults.push(`${toldAsNew} calls were answered that their job is new`);
  return { faults, calls: answers.length, kills, toldAsNew };
}

interface Answer {
  readonly key: string;
  readonly jobId: string;
  readonly deduplicated: boolean;
}

/**
 * Calls one key after the other, starting at a different one than the other callers, so that calls for each key
 * overlap.
 */
async function callEachKey(caller: Reseolio, keys: number, place: number): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let step = 0; step < keys; step++) {
    const key = `key-${(place * 7 + step) % keys}`;
    const { jobId, deduplicated } = await caller.enqueue(FUNCTION, [], { idempotencyKey: key });
    answers.push({ key, jobId, deduplicated });
  }
  return answers;
}
