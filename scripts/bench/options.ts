import { parseArgs } from "node:util";

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
  throw new Error(`--only ${name}: there is no such part; there are ${SUITES.join(", ")}`);
}
