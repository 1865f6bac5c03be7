import { parseArgs } from "node:util";
import type { Usage } from "../usage.ts";

/** Parts of the soak, in the order in which they run. */
export const PARTS = [
  "enqueue",
  "workers",
  "daemon",
  "power",
  "chaos",
  "schedules",
  "cluster",
  "events",
  "copy",
  "waits",
  "memory",
  "replay",
  "undo",
] as const;
/** One of them. */
export type PartName = (typeof PARTS)[number];

/** What a run was asked for. */
export interface SoakOptions {
  /** Parts to run; all when empty. */
  readonly only: readonly PartName[];
  /** Rounds of each part that has rounds; null: its own default. */
  readonly rounds: number | null;
  /** Time for the whole, shared by the parts; null: by rounds. */
  readonly minutes: number | null;
  /** Jobs of the memory part. */
  readonly jobs: number;
  /** Of the random choices of this process; the order in which processes run is not in our hand. */
  readonly seed: number;
  /** Where databases and logs are put for the time of the run. */
  readonly directory: string;
}

const DEFAULT_JOBS = 2_000_000;

export const SOAK_USAGE: Usage = {
  script: "soak",
  purpose:
    "Tests the promises at length: kills, power cuts, chaos and millions of jobs, with a verdict for each part. Exits\n" +
    "with 1 when a promise was broken. Power cuts need root and a loop device; without them they are reported as skipped.",
  options: [
    ["--only PART,...", `parts to run: ${PARTS.join(", ")} [all]`],
    ["--rounds N", "rounds of each part that has rounds [its own default]"],
    ["--minutes M", "time for the whole run, shared by its parts [by rounds]"],
    ["--jobs N", `jobs of the memory part [${DEFAULT_JOBS}]`],
    ["--seed N", "seed of the random choices, to repeat a run [a new one]"],
    ["--dir DIRECTORY", "where databases and logs are created for the run [the system's temporary directory]"],
  ],
  examples: [
    ["soak --only chaos --minutes 10", "ten minutes of chaos on PostgreSQL"],
    ["soak --only enqueue,workers,daemon --rounds 1", "one round of each kill"],
  ],
};

/** Throws with the name of the option, its value and what is right. */
export function parseSoakOptions(words: readonly string[], defaultDirectory: string): SoakOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      minutes: { type: "string" },
      jobs: { type: "string" },
      seed: { type: "string" },
      dir: { type: "string" },
    },
  });
  return {
    only: values.only.flatMap((text) => text.split(",")).map(parsePart),
    rounds: values.rounds === undefined ? null : whole("--rounds", values.rounds, 1, 100_000),
    minutes: values.minutes === undefined ? null : whole("--minutes", values.minutes, 1, 10_000),
    jobs: values.jobs === undefined ? DEFAULT_JOBS : whole("--jobs", values.jobs, 1_000, 1_000_000_000),
    seed: values.seed === undefined ? Date.now() % 1_000_000 : whole("--seed", values.seed, 0, 2 ** 31),
    directory: values.dir ?? defaultDirectory,
  };
}

function parsePart(name: string): PartName {
  const known = PARTS.find((part) => part === name);
  if (known !== undefined) return known;
  throw new Error(`--only ${name}: not a part; valid parts are ${PARTS.join(", ")}`);
}

function whole(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`${option} ${text}: give a whole number from ${min} to ${max}`);
}
