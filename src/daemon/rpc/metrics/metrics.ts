import type { Transition } from "../../core/job-machine.ts";
import { JOB_STATES, type JobState } from "../../core/job.ts";
import type { Engine } from "../../engine/engine.ts";
import { LATENESS_BUCKETS, type ScheduleWatch } from "../../engine/schedules/schedule-watch.ts";
import { describeStats } from "../../engine/workers/worker-stats.ts";
import type { DaemonInfo } from "../daemon-info.ts";
import { MetricsText } from "./metrics-text.ts";

/** Upper bounds in seconds, from a fast commit to a failing disk. */
const COMMIT_BUCKETS = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1] as const;

/** Counts what the engine does not keep. Called once per commit, so it only adds numbers. */
export class CommitMetrics {
  readonly buckets: number[] = COMMIT_BUCKETS.map(() => 0);
  count = 0;
  seconds = 0;
  readonly transitions: Record<JobState, number> = {
    PENDING: 0,
    RUNNING: 0,
    SUSPENDED: 0,
    SUCCESS: 0,
    DEAD: 0,
    CANCELLED: 0,
  };

  /** @param applied the transitions of existing jobs in this commit */
  record(milliseconds: number, applied: readonly Transition[]): void {
    const seconds = milliseconds / 1_000;
    this.count++;
    this.seconds += seconds;
    const bucket = COMMIT_BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    for (const transition of applied) this.transitions[transition.change.state]++;
  }
}

/** All metrics in the Prometheus text format. Queue depths come from counters, so a scrape scans no tables. */
export async function renderMetrics(engine: Engine, info: DaemonInfo, commits: CommitMetrics): Promise<string> {
  const text = new MetricsText();
  const stats = await describeStats(engine);
  const constant = { version: info.version, storage: info.storageKind, node: info.nodeId };
  text.gauge("reseolio_info", "Version, storage and node of this daemon", [[constant, 1]]);
  const depths = stats.functions.flatMap(({ functionName, counts }) =>
    counts.map(({ state, count }): [Record<string, string>, number] => [{ function: functionName, state }, count]),
  );
  text.gauge("reseolio_jobs", "Stored jobs, by function and state", depths);
  const workers = stats.functions.map((one): [Record<string, string>, number] => [
    { function: one.functionName },
    one.workers,
  ]);
  text.gauge("reseolio_function_workers", "Connected workers that serve the function", workers);
  text.gauge("reseolio_workers", "Workers connected to this daemon", [[{}, stats.workers]]);
  text.gauge("reseolio_sessions", "Sessions of workers and other clients with this daemon", [[{}, stats.sessions]]);
  text.gauge("reseolio_running_jobs", "Jobs running through this daemon", [[{}, stats.running]]);
  text.gauge("reseolio_max_concurrent", "Limit of running jobs; 0 means no limit", [[{}, stats.maxConcurrent]]);
  text.gauge("reseolio_storage_bytes", "Size of the database, including its write-ahead log", [
    [{}, stats.storageBytes],
  ]);
  renderCommits(text, commits);
  renderSchedules(text, engine.schedules);
  renderProcess(text, info, stats.rssBytes);
  return text.toString();
}

function renderCommits(text: MetricsText, commits: CommitMetrics): void {
  const settled = JOB_STATES.filter((state) => state !== "RUNNING").map((state): [Record<string, string>, number] => [
    { state },
    commits.transitions[state],
  ]);
  text.counter("reseolio_transitions_total", "Jobs moved to a state by an outcome, a retry or a cancellation", settled);
  text.histogram("reseolio_commit_seconds", "Duration of a commit, including its fsync", {
    bounds: COMMIT_BUCKETS,
    buckets: commits.buckets,
    count: commits.count,
    sum: commits.seconds,
  });
}

function renderSchedules(text: MetricsText, watch: ScheduleWatch): void {
  text.counter(
    "reseolio_schedule_ticks_total",
    "Ticks of schedules that this daemon fired, or skipped because of an overlap",
    [
      [{ outcome: "fired" }, watch.fired],
      [{ outcome: "skipped" }, watch.skipped],
    ],
  );
  text.histogram("reseolio_schedule_lateness_seconds", "Time from a tick to its commit, except for missed ticks", {
    bounds: LATENESS_BUCKETS,
    buckets: watch.buckets,
    count: watch.latenessCount,
    sum: watch.latenessSeconds,
  });
}

function renderProcess(text: MetricsText, info: DaemonInfo, rssBytes: number): void {
  const { user, system } = process.cpuUsage();
  text.gauge("process_resident_memory_bytes", "Resident memory of the daemon", [[{}, rssBytes]]);
  text.gauge("process_start_time_seconds", "Start time, in seconds since the epoch", [[{}, info.startedAt / 1_000]]);
  text.counter("process_cpu_seconds_total", "Processor time used", [[{}, (user + system) / 1_000_000]]);
}
