import type { JobChange as JobChangeMessage } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { DaemonError, invalidArgument } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import { checkPage, type PageRequest } from "../../engine/jobs/read-jobs.ts";
import { watchJobs } from "../../engine/jobs/watch-jobs.ts";
import type { CommittedChange } from "../../engine/lane/change-feed.ts";
import { fromJobChange } from "../messages/job-messages.ts";
import { StreamBuffer, type StreamSignals } from "./stream-buffer.ts";

type JobFilter = PageRequest["filter"];

/** A watcher that falls further behind than this is disconnected with an error. */
const MAX_WAITING_CHANGES = 20_000;
/** With error messages of at most 16 KiB each, this keeps a message below 4 MiB. */
const MAX_CHANGES_PER_MESSAGE = 200;

/**
 * Sends changes as they are committed, several per message if the client is slow. The first message is empty: from then on
 * no matching change is missed. A client that falls too far behind gets RESOURCE_EXHAUSTED; a stopping daemon ends the
 * stream with UNAVAILABLE.
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

/** Changes contain neither key, schedule nor creation time: filters on these would silently match too much. */
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
    .map(([field]) => ({ field, description: "cannot be watched; filter by ID, state, function name or parent" }));
  if (violations.length > 0) throw invalidArgument(violations);
}

function missedSome(): DaemonError {
  return new DaemonError(
    "unavailable",
    "lost the connection that reports changes of other daemons, so some may be missing; list the jobs and watch again",
  );
}

function tooSlow(): DaemonError {
  return new DaemonError(
    "resource_exhausted",
    `more than ${MAX_WAITING_CHANGES} changes are queued for this watcher: read faster, or use a narrower filter`,
  );
}
