import type { WriteSession } from "../session/write-session.ts";

/** Rare, and so not prepared: each runs once per step of the clock, on an index of waiting rows. */
const MOVES = [
  // A first start may have been requested by date; a retry never is.
  "update jobs set run_at = run_at + ?1 where is_ready = 0 and attempt > 0",
  "update jobs set deadline_at = deadline_at + ?1, start_by = start_by + ?1, finish_by = finish_by + ?1 where deadline_at is not null",
  `update checkpoints set due_at = due_at + ?1
   where recorded_at is null and due_at is not null and is_length = 1`,
] as const;

export type MoveLengths = (byMs: number) => void;

export function prepareMoveLengths({ db }: WriteSession): MoveLengths {
  return (byMs) => {
    for (const sql of MOVES) {
      const statement = db.prepare(sql);
      try {
        statement.run(byMs);
      } finally {
        statement.finalize();
      }
    }
  };
}
