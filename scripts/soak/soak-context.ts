import type { SoakOptions } from "./options.ts";
import type { Random } from "./random.ts";

/** What every part works with. */
export interface SoakContext {
  readonly executable: string;
  readonly options: SoakOptions;
  readonly random: Random;
  /** Of this run alone; removed at its end. */
  readonly directory: string;
  progress(text: string): void;
}

/** What became of one promise. */
export interface Verdict {
  /** The promise, in words. */
  readonly title: string;
  readonly outcome: "kept" | "broken" | "skipped";
  /** What was done, or why not. */
  readonly detail: string;
  /** What went wrong, one line each. */
  readonly faults: readonly string[];
}

/** Kept without faults, else broken. */
export function verdictOf(title: string, detail: string, faults: readonly string[]): Verdict {
  return { title, outcome: faults.length === 0 ? "kept" : "broken", detail, faults };
}

/** Calls `play` for each round: as many as asked for, or until the part's share of the minutes is used. */
export async function playRounds(
  { options }: SoakContext,
  defaultRounds: number,
  play: (round: number) => Promise<void>,
): Promise<number> {
  const share = options.minutes === null ? null : (options.minutes * 60_000) / PARTS_THAT_SHARE;
  const endAt = share === null ? null : performance.now() + share;
  const rounds = options.rounds ?? (endAt === null ? defaultRounds : Number.POSITIVE_INFINITY);
  let round = 0;
  while (round < rounds && (endAt === null || round === 0 || performance.now() < endAt)) await play(++round);
  return round;
}

const PARTS_THAT_SHARE = 5;
