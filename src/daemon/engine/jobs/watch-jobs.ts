import type { JobFilter } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";
import type { ChangeListener } from "../lane/change-feed.ts";

/**
 * Calls `onChanges` with the committed changes that match, of every daemon on the database, until stopped; from `ready`
 * on none is missed, or `onGap` is called. The past is not told.
 */
export function watchJobs(
  engine: Engine,
  filter: JobFilter,
  onChanges: ChangeListener,
  onGap: () => void,
): { readonly ready: Promise<void>; stop(): void } {
  return engine.changes.watch({ filter, listener: onChanges, onGap });
}
