/** P1: what was acknowledged is there, whatever was killed and when. */
import { expect } from "bun:test";
import { readFile } from "node:fs/promises";
import type { NewDatabase } from "../support/each-store.ts";
import { testOnEachStore } from "../support/each-store.ts";
import type { FixtureProcess } from "../support/fixture-process.ts";
import { spawnFixture } from "../support/fixture-process.ts";
import { seededRandom } from "../support/seeded-random.ts";
import type { SpawnedDaemon } from "../support/spawn-daemon.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import type { StoredJobs } from "../support/stored-jobs.ts";
import { openStoredJobs } from "../support/stored-jobs.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { EnqueuerSettings } from "./fixtures/enqueuer.ts";

/** `bun run soak` runs as many rounds as requested. */
const ROUNDS = 8;
const PROCESSES = 4;
const CLIENTS_PER_PROCESS = 4;
const LATEST_KILL_MS = 600;

testOnEachStore(
  `P1: calls acknowledged to 16 clients survive ${ROUNDS} times kill -9 of every process`,
  async (store) => {
    const random = seededRandom("P1");
    await using dir = await tempDir();
    await using database = await store.createDatabase({ server: "own" });
    await using daemon = await spawnDaemon({ db: database.db, args: ["--log-level", "warn"] });
    let acknowledged = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      if (round > 1) await daemon.restart();
      const functionName = `e2e:crash:round-${round}`;
      const logs = Array.from({ length: PROCESSES }, (_, index) => dir.file(`round-${round}-${index}.log`));
      const clients = startClients(daemon.address, functionName, logs);
      await Promise.all(clients.map((client) => client.line("ready")));
      // The random time of the kill is under test; this does not wait for anything.
      await Bun.sleep(random.between(20, LATEST_KILL_MS));
      await Promise.all(random.shuffled([daemon, ...clients, serverOf(database)]).map((process) => process.kill()));
      await database.server?.start();
      await using stored = await openStoredJobs(daemon.db);
      acknowledged += await checkRound(stored, functionName, logs);
    }
    process.stderr.write(`P1 [${store.kind}]: ${acknowledged} acknowledged calls over ${ROUNDS} kills\n`);
    // Less would mean that the kills came before the clients did anything.
    expect(acknowledged).toBeGreaterThan(ROUNDS * PROCESSES * CLIENTS_PER_PROCESS);
    await checkServed(daemon);
  },
  180_000,
);

/** Like a power cut for PostgreSQL: kills every backend at once, without a checkpoint, at any point of a commit. */
function serverOf({ server }: NewDatabase): Pick<FixtureProcess, "kill"> {
  return { kill: () => server?.crash() ?? Promise.resolve() };
}

function startClients(address: string, functionName: string, logs: readonly string[]): readonly FixtureProcess[] {
  return logs.map((log, index) => {
    const settings: EnqueuerSettings = {
      address,
      functionName,
      log,
      name: `process${index}`,
      clients: CLIENTS_PER_PROCESS,
      inFlight: 2,
    };
    return spawnFixture("enqueuer", { settings });
  });
}

/** acknowledged ⊆ stored ⊆ tried, each once, in a sound file with true counters. Returns how many were acknowledged. */
async function checkRound(database: StoredJobs, functionName: string, logs: readonly string[]): Promise<number> {
  const { tried, acknowledged } = await readLogs(logs);
  const stored = await database.jobsByArgument(functionName);
  const lost = [...acknowledged].filter(([number, jobId]) => !stored.get(number)?.includes(jobId));
  const repeated = [...stored].filter(([, ids]) => ids.length > 1);
  const invented = [...stored.keys()].filter((number) => !tried.has(number));
  expect({ lost, repeated, invented }).toEqual({ lost: [], repeated: [], invented: [] });
  expect(await database.integrity()).toBe("ok");
  const { maintained, counted } = await database.counters();
  expect(maintained).toEqual(counted);
  return acknowledged.size;
}

async function readLogs(logs: readonly string[]): Promise<{ tried: Set<string>; acknowledged: Map<string, string> }> {
  const tried = new Set<string>();
  const acknowledged = new Map<string, string>();
  for (const log of logs) {
    // The last line may have been cut off by the kill.
    for (const line of (await readFile(log, "utf8")).split("\n").slice(0, -1)) {
      const [word, number = "", jobId = ""] = line.split(" ");
      if (word === "tried") tried.add(number);
      else acknowledged.set(number, jobId.replaceAll("-", ""));
    }
  }
  return { tried, acknowledged };
}

/** The database is not only sound: a daemon goes on with it. */
async function checkServed(daemon: SpawnedDaemon): Promise<void> {
  await daemon.restart();
  const response = await fetch(`${daemon.url}/reseolio.v1.DaemonService/GetStats`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(response.status).toBe(200);
}
