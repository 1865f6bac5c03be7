/** P1: cuts the power under 16 clients. The control makes fsync a no-op; then the same cut must lose calls. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../bench/daemon-process.ts";
import { readStoreReport, type StoreReport } from "./check-store.ts";
import { startClient } from "./child.ts";
import { compareWithStore, readEnqueueLog } from "./enqueue-log.ts";
import { availableFileSystems, type FileSystem, LoopDisk, powerCutObstacle } from "./loop-disk.ts";
import { firstAcknowledgement } from "./part-enqueue.ts";
import { playRounds, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const DEFAULT_ROUNDS = 4;
const CONTROL_ROUNDS = 3;
const PROCESSES = 4;
const CLIENTS_EACH = 4;
const TITLE = "P1 an acknowledged call survives power loss";
const CONTROL_TITLE = "control: without fsync the same power cut does lose acknowledged calls";
const FUNCTION_NAME = "soak:power:job";

/** Returns both verdicts; if power cuts cannot be simulated, both are skipped, with the reason. */
export async function soakPowerLoss(context: SoakContext): Promise<readonly Verdict[]> {
  const obstacle = powerCutObstacle();
  if (obstacle !== null) {
    return [TITLE, CONTROL_TITLE].map((title) => ({ title, outcome: "skipped", detail: obstacle, faults: [] }));
  }
  return [await cutPowerAgainAndAgain(context), await showThatItCanLose(context)];
}

async function cutPowerAgainAndAgain(context: SoakContext): Promise<Verdict> {
  const fileSystems = availableFileSystems();
  const faults: string[] = [];
  let acknowledged = 0;
  const rounds = await playRounds(context, DEFAULT_ROUNDS, async (round) => {
    const fileSystem = fileSystems[round % fileSystems.length] ?? "ext4";
    const cut = await cutPower(context, `power-${round}`, fileSystem, {});
    faults.push(...cut.faults.map((fault) => `round ${round}, ${fileSystem}: ${fault}`));
    acknowledged += cut.acknowledged;
    context.progress(
      `power, round ${round}, ${fileSystem}: ${cut.acknowledged} acknowledged, ${cut.stored} there after the cut`,
    );
  });
  return verdictOf(
    TITLE,
    `${rounds} cuts on ${fileSystems.join(" and ")}, ${acknowledged} calls acknowledged before them, all there`,
    faults,
  );
}

/** A test that cannot fail proves nothing. */
async function showThatItCanLose(context: SoakContext): Promise<Verdict> {
  const library = findEatMyData();
  if (library === null) {
    const detail = "libeatmydata is not there: apt-get install libeatmydata1";
    return { title: CONTROL_TITLE, outcome: "skipped", detail, faults: [] };
  }
  for (let round = 1; round <= CONTROL_ROUNDS; round++) {
    const cut = await cutPower(context, `control-${round}`, "ext4", { LD_PRELOAD: library });
    const lost = cut.acknowledged - cut.survived;
    context.progress(`power, control ${round}: ${lost} of ${cut.acknowledged} acknowledged calls lost, as they should`);
    if (lost > 0) {
      return verdictOf(
        CONTROL_TITLE,
        `${lost} of ${cut.acknowledged} acknowledged calls were lost in cut ${round}`,
        [],
      );
    }
  }
  return verdictOf(CONTROL_TITLE, "", [`${CONTROL_ROUNDS} cuts without fsync lost nothing: the cut does not cut`]);
}

interface PowerCut {
  readonly acknowledged: number;
  readonly stored: number;
  /** Acknowledged calls that are stored. */
  readonly survived: number;
  readonly faults: readonly string[];
}

async function cutPower(
  context: SoakContext,
  name: string,
  fileSystem: FileSystem,
  env: Readonly<Record<string, string>>,
): Promise<PowerCut> {
  const directory = join(context.directory, name);
  mkdirSync(directory);
  const disk = new LoopDisk(directory, fileSystem);
  try {
    const db = join(disk.mountPoint, "power.db");
    // The log of acknowledgements is on another disk: it keeps its power.
    const log = join(context.directory, `${name}.log`);
    await enqueueUntilCut(context, disk, db, log, env);
    await disk.restorePower();
    const written = readEnqueueLog(readFileSync(log, "utf8"));
    const report = readReport(db);
    const jobIds = new Set(report.calls.map((call) => call.jobId));
    return {
      acknowledged: written.acknowledged.size,
      stored: report.calls.length,
      survived: [...written.acknowledged.values()].filter((jobId) => jobIds.has(jobId)).length,
      faults: [...report.faults, ...compareWithStore(written, report.calls)],
    };
  } finally {
    disk.removeNow();
  }
}

async function enqueueUntilCut(
  context: SoakContext,
  disk: LoopDisk,
  db: string,
  log: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const daemon = await startDaemon(context.executable, db, { env });
  disk.sync();
  const clients = Array.from({ length: PROCESSES }, (_, index) =>
    startClient({
      address: daemon.address,
      functionName: FUNCTION_NAME,
      clients: Array.from({ length: CLIENTS_EACH }, (__, number) => `c${index}-${number}`),
      inFlight: 4,
      log,
      count: null,
    }),
  );
  try {
    await firstAcknowledgement(log);
    await Bun.sleep(context.random.between(200, 2_500));
    disk.cutPower();
  } finally {
    await Promise.all([daemon, ...clients].map((one) => one.kill()));
  }
}

function readReport(db: string): StoreReport {
  if (!existsSync(db)) return { calls: [], faults: [`${db} is gone`] };
  try {
    return readStoreReport(db, FUNCTION_NAME);
  } catch (error) {
    return {
      calls: [],
      faults: [`the file cannot be read: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
}

function findEatMyData(): string | null {
  const folders = ["/usr/lib", "/usr/local/lib", "/usr/lib64"].filter((folder) => existsSync(folder));
  for (const folder of folders) {
    const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const places = [folder, ...inside.map((entry) => join(folder, entry.name))];
    const found = places.map((place) => join(place, "libeatmydata.so")).find((path) => existsSync(path));
    if (found !== undefined) return found;
  }
  return null;
}
