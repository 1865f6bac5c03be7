import { PARTS, type SoakOptions } from "./options.ts";
import type { Random } from "./random.ts";

/** Shared by all parts. */
export interface SoakContext {
  readonly executable: string;
  readonly options: SoakOptions;
  readonly random: Random;
  /** Used by this run alone, and removed at its end. */
  readonly directory: string;
  progress(text: string): void;
}

/** The outcome for one promise. */
export interface Verdict {
  /** The promise, in words. */
  readonly title: string;
  readonly outcome: "kept" | "broken" | "skipped";
  /** What was tested, or why it was skipped. */
  readonly detail: string;
  /** One line per fault. */
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
  const share = shareOfTime(options);
  const endAt = share === null ? null : performance.now() + share;
  const rounds = options.rounds ?? (endAt === null ? defaultRounds : Number.POSITIVE_INFINITY);
  let round = 0;
  while (round < rounds && (endAt === null || round === 0 || performance.now() < endAt)) await play(++round);
  return round;
}

/** Milliseconds of one part, when the run was given minutes: all of them when it plays alone. */
export function shareOfTime({ minutes, only }: SoakOptions): number | null {
  if (minutes === null) return null;
  return (minutes * 60_000) / (only.length > 0 ? only.length : PARTS.length);
}
