import { parseArgs } from "node:util";
import type { Usage } from "../usage.ts";

/** What a run was asked for. */
export interface BenchOptions {
  /** Small counts and one round: shows that everything works, in under 30 s. */
  readonly quick: boolean;
  readonly rounds: number;
  /** Suites to run; all when empty. */
  readonly only: readonly SuiteName[];
  /** Where the results go as JSON. */
  readonly json: string | null;
  /** Where databases are put for the time of the run. */
  readonly directory: string;
  /** Exit code 1 when a target is missed. */
  readonly strict: boolean;
}

/** Parts of the benchmark, in the order in which they run. */
export const SUITES = [
  "core",
  "node",
  "growth",
  "lists",
  "delayed",
  "schedules",
  "start",
  "memory",
  "postgres",
] as const;
/** One of them. */
export type SuiteName = (typeof SUITES)[number];

const DEFAULT_ROUNDS = 5;

export const BENCH_USAGE: Usage = {
  script: "bench",
  purpose:
    "Measures the compiled daemon with clients and workers in other processes, each figure beside the limit of this\n" +
    "machine in the same run. The table goes to stdout, progress to stderr.",
  options: [
    ["--quick", "small counts and one round: shows that everything works, in under 30 s"],
    ["--rounds N", `rounds of which the median is printed [${DEFAULT_ROUNDS}, with --quick 1]`],
    ["--only PART,...", `parts to run: ${SUITES.join(", ")} [all]`],
    ["--json FILE", "also writes the results to a file"],
    ["--dir DIRECTORY", "where databases are created for the run [the system's temporary directory]"],
    ["--strict", "exits with 1 when a target is missed"],
  ],
  examples: [
    ["bench --quick", "a first look"],
    ["bench --only core,postgres --rounds 3 --json bench.json", "two parts, with their results as JSON"],
  ],
};

/** Throws with the name of the option, its value and what is right. */
export function parseBenchOptions(words: readonly string[], defaultDirectory: string): BenchOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      dir: { type: "string" },
      strict: { type: "boolean", default: false },
    },
  });
  return {
    quick: values.quick,
    rounds: values.rounds === undefined ? (values.quick ? 1 : DEFAULT_ROUNDS) : parseRounds(values.rounds),
    only: values.only.flatMap((text) => text.split(",")).map(parseSuite),
    json: values.json ?? null,
    directory: values.dir ?? defaultDirectory,
    strict: values.strict,
  };
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= 100) return rounds;
  throw new Error(`--rounds ${text}: give a whole number from 1 to 100`);
}

function parseSuite(name: string): SuiteName {
  const known = SUITES.find((suite) => suite === name);
  if (known !== undefined) return known;
  throw new Error(`--only ${name}: not a part; valid parts are ${SUITES.join(", ")}`);
}
