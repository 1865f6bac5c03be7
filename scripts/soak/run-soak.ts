import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { PartName, SoakOptions } from "./options.ts";
import { soakChaos } from "./part-chaos.ts";
import { soakCluster } from "./part-cluster.ts";
import { soakCopy } from "./part-copy.ts";
import { soakDaemonKills } from "./part-daemon.ts";
import { soakEnqueue } from "./part-enqueue.ts";
import { soakEvents } from "./part-events.ts";
import { soakMemory } from "./part-memory.ts";
import { soakPowerLoss } from "./part-power.ts";
import { soakReplay } from "./part-replay.ts";
import { soakSchedules } from "./part-schedules.ts";
import { soakUndo } from "./part-undo.ts";
import { soakWaits } from "./part-waits.ts";
import { soakWorkerKills } from "./part-workers.ts";
import { Random } from "./random.ts";
import type { SoakContext, Verdict } from "./soak-context.ts";

const PLAY: Readonly<Record<PartName, (context: SoakContext) => Promise<readonly Verdict[] | Verdict>>> = {
  enqueue: soakEnqueue,
  workers: soakWorkerKills,
  daemon: soakDaemonKills,
  power: soakPowerLoss,
  chaos: soakChaos,
  cluster: soakCluster,
  schedules: soakSchedules,
  events: soakEvents,
  copy: soakCopy,
  waits: soakWaits,
  memory: soakMemory,
  replay: soakReplay,
  undo: soakUndo,
};

/** Runs the parts asked for and prints a verdict for each. False when a promise was broken. */
export async function runSoak(executable: string, options: SoakOptions): Promise<boolean> {
  const directory = mkdtempSync(join(resolve(options.directory), "reseolio-soak-"));
  // Also when the run ends early; daemons and clients end the same way.
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));

  const context = createContext(executable, options, directory);
  context.progress(`seed ${options.seed}`);
  const verdicts: Verdict[] = [];
  for (const [name, play] of Object.entries(PLAY)) {
    if (options.only.length > 0 && !options.only.some((part) => part === name)) continue;
    const found = [await judge(name, play, context)].flat();
    for (const verdict of found) printVerdict(verdict);
    verdicts.push(...found);
  }
  const count = (outcome: Verdict["outcome"]): number => verdicts.filter((one) => one.outcome === outcome).length;
  process.stdout.write(`\n${count("kept")} kept, ${count("broken")} broken, ${count("skipped")} skipped\n`);
  return count("broken") === 0;
}

/** A part that cannot be played has proven nothing. */
async function judge(
  name: string,
  play: (context: SoakContext) => Promise<readonly Verdict[] | Verdict>,
  context: SoakContext,
): Promise<readonly Verdict[] | Verdict> {
  try {
    return await play(context);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { title: `${name}: could not be played to its end`, outcome: "broken", detail: "", faults: [reason] };
  }
}

function createContext(executable: string, options: SoakOptions, directory: string): SoakContext {
  const startedAt = performance.now();
  return {
    executable,
    options,
    directory,
    random: new Random(options.seed),
    progress: (text) => {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      process.stderr.write(`soak: ${seconds.padStart(5)} s  ${text}\n`);
    },
  };
}

const MARKS: Readonly<Record<Verdict["outcome"], string>> = { kept: "kept   ", broken: "BROKEN ", skipped: "skipped" };
const SHOWN_FAULTS = 20;

function printVerdict({ title, outcome, detail, faults }: Verdict): void {
  process.stdout.write(`${MARKS[outcome]}  ${title}\n`);
  if (detail !== "") process.stdout.write(`         ${detail}\n`);
  for (const fault of faults.slice(0, SHOWN_FAULTS)) process.stdout.write(`         ${fault}\n`);
  if (faults.length > SHOWN_FAULTS) process.stdout.write(`         … and ${faults.length - SHOWN_FAULTS} more\n`);
}
