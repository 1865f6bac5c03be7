import type { JobFilter } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";
import type { ChangeListener } from "../lane/change-feed.ts";

/**
 * Calls `onChanges` with matching changes that any daemon on the database commits, until stopped. After `ready` none is
 * missed without a call of `onGap`. Earlier changes are not reported.
 */
export function watchJobs(
  engine: Engine,
  filter: JobFilter,
  onChanges: ChangeListener,
  onGap: () => void,
): { readonly ready: Promise<void>; stop(): void } {
  return engine.changes.watch({ filter, listener: onChanges, onGap });
}
