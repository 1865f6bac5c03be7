import { isTerminal } from "../core/job.ts";
import type { Engine } from "./engine.ts";
import { noteMovedElsewhere } from "./note-moved-elsewhere.ts";

/** Ids of one question to the store: a few milliseconds of its time. */
const SLICE = 1_000;
/** A sweep takes at most one part in so many of the store's time, however many jobs are awaited. */
const SHARE = 10;

/** Finds awaited jobs that ended through other daemons without a hint that arrived. */
export async function sweepAwaited(engine: Engine): Promise<void> {
  const jobIds = engine.changes.awaitedJobIds;
  for (let start = 0; start < jobIds.length; start += SLICE) {
    const slice = jobIds.slice(start, start + SLICE).filter((jobId) => engine.changes.isAwaited(jobId));
    const askedAt = engine.clock.monotonic();
    const statuses = await engine.store.listStatuses(slice);
    const live = new Set(statuses.filter(({ state }) => !isTerminal(state)).map(({ jobId }) => jobId));
    await noteMovedElsewhere(
      engine,
      slice.filter((jobId) => !live.has(jobId)),
    );
    if (start + SLICE < jobIds.length) await pause((engine.clock.monotonic() - askedAt) * (SHARE - 1));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
