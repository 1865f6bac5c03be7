import type { LaneTransaction } from "./lane-transaction.ts";
import type { WriteKind } from "./write-kind.ts";

/** Reads and writes of one caller, inside the transaction that all share. */
export interface Work {
  /** Events that it writes. */
  readonly eventNames: readonly string[];
  run(lane: LaneTransaction): Promise<unknown>;
}

/** Work that is too rare to be batched: each piece runs on its own, after all other kinds. */
export const workKind: WriteKind<Work, unknown> = {
  name: "work",
  readsTimeLate: false,
  eventNames: (works) => works.flatMap(({ eventNames }) => eventNames),
  apply: async (lane, works) => {
    const results: unknown[] = [];
    for (const work of works) results.push(await work.run(lane));
    return results;
  },
};
