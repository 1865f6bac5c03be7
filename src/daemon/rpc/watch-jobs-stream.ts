import type { JobChange as JobChangeMessage } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { DaemonError, invalidArgument } from "../core/errors.ts";
import type { CommittedChange } from "../engine/lane/change-feed.ts";
import { watchJobs } from "../engine/jobs/watch-jobs.ts";
import type { Engine } from "../engine/engine.ts";
import type { PageRequest } from "../engine/jobs/read-jobs.ts";
import { checkPage } from "../engine/jobs/read-jobs.ts";
import { fromJobChange } from "./messages.ts";
import type { StreamSignals } from "./stream-buffer.ts";
import { StreamBuffer } from "./stream-buffer.ts";

type JobFilter = PageRequest["filter"];

/** A watcher that is further behind than this is told so and dropped. */
const MAX_WAITING_CHANGES = 20_000;
/** With error messages of at most 16 KiB each, a message stays under its 4 MiB. */
const MAX_CHANGES_PER_MESSAGE = 200;

/**
 * Changes as they are committed, several to a message when the client is slower than they come. The first message is
 * empty: from it on nothing that matches is missed. A client that falls too far behind gets RESOURCE_EXHAUSTED, a
 * stopping daemon ends the stream with UNAVAILABLE.
 */
export async function* watchJobsStream(
  engine: Engine,
  filter: JobFilter,
  signals: StreamSignals,
): AsyncGenerator<{ changes: JobChangeMessage[] }> {
  checkWatchable(filter);
  const waiting = new StreamBuffer<CommittedChange>(MAX_WAITING_CHANGES, tooSlow);
  const watch = watchJobs(
    engine,
    filter,
    (changes) => waiting.push(...changes),
    () => waiting.fail(missedSome()),
  );
  const release = waiting.failOn(signals);
  try {
    await watch.ready;
    yield { changes: [] };
    for (;;) {
      const changes = await waiting.take(MAX_CHANGES_PER_MESSAGE);
      yield { changes: changes.map(fromJobChange) };
    }
  } finally {
    release();
    watch.stop();
  }
}

/** A change carries neither key nor schedule nor creation time: such a filter would match too much without a word. */
function checkWatchable(filter: JobFilter): void {
  checkPage({ filter, pageSize: 0, pageToken: "" });
  const unwatchable = [
    ["filter.idempotency_key", filter.idempotencyKey],
    ["filter.schedule_name", filter.scheduleName],
    ["filter.created_after", filter.createdAfter],
    ["filter.created_before", filter.createdBefore],
  ] as const;
  const violations = unwatchable
    .filter(([, value]) => value !== undefined)
    .map(([field]) => ({ field, description: "cannot be watched; filter by id, state, function name or parent" }));
  if (violations.length > 0) throw invalidArgument(violations);
}

function missedSome(): DaemonError {
  return new DaemonError(
    "unavailable",
    "the connection that brings changes of other daemons broke: some may be missed; list the jobs and watch again",
  );
}

function tooSlow(): DaemonError {
  return new DaemonError(
    "resource_exhausted",
    `more than ${MAX_WAITING_CHANGES} changes wait for this watcher: read faster, or watch with a narrower filter`,
  );
}
