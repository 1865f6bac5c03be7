/** Every row of the benchmark. Keys are `scene/workload/figure`, as the suites record them. */
import type { RowSpec, Target } from "./rows.ts";
import type { Scale } from "./scale.ts";

/** What a daemon's database holds while the workloads run. */
export type SceneName = "empty" | "finished" | "backlog" | "node" | "postgres" | "postgres-finished";

/** Share of the empty database's figure that a full one has to reach. */
const GROWTH_SHARE = 0.8;

/** In the order of the table, labelled with what a run of this scale does. */
export function rowSpecs(scale: Scale): readonly RowSpec[] {
  const rows = grouped(scale.rows);
  return [
    ...limits(),
    ...workloads("empty", "Empty database, Bun client and Bun worker"),
    ...workloads("node", "Empty database, Node client and Node worker"),
    ...grown("finished", `With ${rows} finished jobs, as a share of the empty database`),
    ...grown("backlog", `With ${rows} pending jobs of a function without workers, as a share of the empty database`),
    ...lists(rows),
    ...schedules(scale),
    ...footprint(scale),
    ...postgres(),
    ...grown("postgres-finished", `PostgreSQL with ${rows} finished jobs, as a share of the empty database`),
  ];
}

function postgres(): readonly RowSpec[] {
  const group = "PostgreSQL, empty database, one daemon, all on this machine";
  const row = (key: string, label: string, unit: RowSpec["unit"], target?: Target): RowSpec => ({
    ...{ key: `postgres/${key}`, group, label, unit },
    ...(target === undefined ? {} : { target }),
  });
  return [
    row("pgbench-1/rate", "pgbench: single-row inserts, 1 client", "/s"),
    row("beside-64/rate", "pgbench: single-row inserts, 64 clients", "/s"),
    row("enqueue-1/p50", "enqueue, one at a time, p50", "ms"),
    row("enqueue-64/rate", "enqueue, 64 single calls in flight", "/s"),
    row("enqueue-64/share", "the same, against pgbench's 64 clients, in turns", "x", { kind: "at_least", value: 1.5 }),
    row("enqueue-64/cpu", "the same, processor time of the daemon a job", "µs"),
    row("enqueue-64/server-cpu", "the same, processor time of PostgreSQL a job", "µs"),
    row("enqueue-256/rate", "enqueue, 256 single calls in flight", "/s"),
    row("bulk/rate", "enqueue, unary batches of 1,000", "/s"),
    row("drain/rate", "drain of no-op jobs, one worker, concurrency 64", "/s", { kind: "at_least", value: 12_000 }),
    row("drain/cpu", "the same, processor time of the daemon a job", "µs"),
    row("drain/server-cpu", "the same, processor time of PostgreSQL a job", "µs"),
    row("call/p50", "call and await the result, p50", "ms"),
    row("call-64/rate", "call and await, 64 in flight", "/s"),
    row("workflows/rate", "workflows of 3 no-op steps, concurrency 64", "/s"),
  ];
}

function limits(): readonly RowSpec[] {
  const group = "Physical limits of this run";
  return [
    { key: "limits/fsync", group, label: "4 KiB append + fsync", unit: "/s" },
    { key: "limits/commit", group, label: "one row, one fsynced commit, raw bun:sqlite, p50", unit: "ms" },
    { key: "limits/grouped", group, label: "rows at 64 a commit, raw bun:sqlite", unit: "/s" },
    { key: "limits/unary/p50", group, label: "empty unary call, p50", unit: "ms" },
    { key: "limits/frame/p50", group, label: "empty frame there and back, p50", unit: "ms" },
    { key: "limits/durable-frame/p50", group, label: "empty frame, then a raw commit, in turns, p50", unit: "ms" },
  ];
}

function workloads(scene: SceneName, group: string): readonly RowSpec[] {
  const isJudged = scene === "empty";
  const row = (key: string, label: string, unit: RowSpec["unit"], target?: Target): RowSpec => ({
    key: `${scene}/${key}`,
    group,
    label,
    unit,
    ...(isJudged && target !== undefined ? { target } : {}),
  });
  return [
    row("enqueue-1/p50", "enqueue, one at a time, p50", "ms"),
    row("enqueue-1/overhead", "the same, against an empty frame + a raw commit", "x", { kind: "at_most", value: 1.5 }),
    row("enqueue-1/overhead-alone", "the same, against the sum of both, each measured alone", "x"),
    row("enqueue-1/p99", "enqueue, one at a time, p99", "ms"),
    row("enqueue-64/rate", "enqueue, 64 single calls in flight", "/s", { kind: "at_least", value: 45_000 }),
    row("enqueue-64/share", "the same, as a share of raw rows at 64 a commit", "%", { kind: "at_least", value: 20 }),
    row("enqueue-64/cpu", "the same, processor time of the daemon a job", "µs"),
    row("enqueue-256/rate", "enqueue, 256 single calls in flight", "/s"),
    row("bulk/rate", "enqueue, unary batches of 1,000", "/s"),
    row("drain/rate", "drain of no-op jobs, one worker, concurrency 64", "/s", { kind: "at_least", value: 40_000 }),
    row("drain/cpu", "the same, processor time of the daemon a job", "µs"),
    row("call/p50", "call and await the result, p50", "ms", { kind: "at_most", value: 0.8 }),
    row("call/p99", "call and await the result, p99", "ms"),
    row("call-64/rate", "call and await, 64 in flight", "/s"),
    row("workflows/rate", "workflows of 3 no-op steps, concurrency 64", "/s", { kind: "at_least", value: 3_000 }),
    row("workflows/cpu", "the same, processor time of the daemon a workflow", "µs"),
    row("step/p50", "one step, p50", "ms"),
    row("step/overhead", "the same, against an empty frame + a raw commit", "x", { kind: "at_most", value: 1.5 }),
    row("step/overhead-alone", "the same, against the sum of both, each measured alone", "x"),
  ].filter(({ key }) => isJudged || !AGAINST_LIMITS.some((name) => key.endsWith(name)));
}

/** Rows that compare a figure with a physical limit, which is measured only with the empty database. */
const AGAINST_LIMITS = ["/overhead", "/overhead-alone", "enqueue-64/share"];

function grown(scene: SceneName, group: string): readonly RowSpec[] {
  const rate = (key: string, label: string): RowSpec => shareRow(scene, group, key, label);
  return [
    rate("enqueue-1/p50", "enqueue, one at a time, p50"),
    rate("enqueue-64/rate", "enqueue, 64 single calls in flight"),
    rate("enqueue-256/rate", "enqueue, 256 single calls in flight"),
    rate("bulk/rate", "enqueue, unary batches of 1,000"),
    rate("drain/rate", "drain of no-op jobs, one worker, concurrency 64"),
    rate("call/p50", "call and await the result, p50"),
    rate("call-64/rate", "call and await, 64 in flight"),
  ];
}

function shareRow(scene: SceneName, group: string, key: string, label: string): RowSpec {
  return {
    key: `${scene}/${key}/ratio`,
    group,
    label,
    unit: "x",
    target: { kind: "at_least", value: GROWTH_SHARE },
  };
}

function lists(rows: string): readonly RowSpec[] {
  const group = `First page of a list (50 jobs) with ${rows} finished jobs, p50`;
  return [
    ["all", "all jobs"],
    ["state", "by state"],
    ["function", "by function"],
    ["function-state", "by function and state"],
    ["rare", "by a rare state (3 jobs)"],
    ["none", "by a state that no job has"],
    ["rare-function", "by a rare function and two states"],
    ["window", "created within an hour"],
  ].map(([key, label]) => ({
    key: `lists/${key}/p50`,
    group,
    label: label ?? "",
    unit: "ms",
    target: { kind: "at_most", value: 50 },
  }));
}

function schedules(scale: Scale): readonly RowSpec[] {
  const group = `${grouped(scale.schedules)} schedules that tick at once, every ${scale.tickSeconds} s`;
  return [
    { key: "schedules/create", group, label: "created, 64 calls at a time", unit: "/s" },
    { key: "schedules/late-p50", group, label: "a tick's job is late by, p50", unit: "ms" },
    {
      key: "schedules/late-p99",
      group,
      label: "a tick's job is late by, p99",
      unit: "ms",
      target: { kind: "at_most", value: 1_000 },
    },
    { key: "schedules/late-most", group, label: "a tick's job is late by, at most", unit: "ms" },
    {
      key: "schedules/cpu",
      group,
      label: "processor between ticks",
      unit: "%",
      target: { kind: "at_most", value: 2 },
    },
    { key: "schedules/rss", group, label: "memory", unit: "MB" },
  ];
}

function footprint(scale: Scale): readonly RowSpec[] {
  const group = "Footprint";
  const delayed = grouped(scale.delayedJobs);
  const plateau = grouped(scale.memoryPlateau);
  return [
    { key: "start/ready", group, label: "start of the daemon to /readyz", unit: "ms" },
    { key: "start/version", group, label: "reseolio version", unit: "ms", target: { kind: "at_most", value: 100 } },
    { key: "idle/rss", group, label: "memory of an idle daemon", unit: "MB", target: { kind: "at_most", value: 70 } },
    {
      key: "delayed/cpu",
      group,
      label: `processor, ${delayed} delayed jobs`,
      unit: "%",
      target: { kind: "at_most", value: 1 },
    },
    { key: "delayed/rss", group, label: `memory, ${delayed} delayed jobs`, unit: "MB" },
    { key: "memory/plateau", group, label: `memory after ${plateau} jobs`, unit: "MB" },
    {
      key: "memory/end",
      group,
      label: `memory after ${grouped(scale.memoryEnd)} jobs`,
      unit: "MB",
      target: {
        kind: "at_most",
        from: (recorder) => scaled(1.5, recorder.median("memory/plateau")),
        why: "1.5 x plateau",
      },
    },
    {
      key: "memory/slope",
      group,
      label: `growth over the second half, per ${plateau} jobs`,
      unit: "MB",
      target: {
        kind: "at_most",
        from: (recorder) => scaled(0.02, recorder.median("memory/plateau")),
        why: "2 % of plateau",
      },
    },
    { key: "memory/rate", group, label: "jobs enqueued and run while it was watched", unit: "/s" },
    { key: "disk/job", group, label: "database per finished job", unit: "bytes" },
  ];
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

function scaled(factor: number, value: number | null): number | null {
  return value === null ? null : factor * value;
}
