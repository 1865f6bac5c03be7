import { describe, expect, test } from "bun:test";
import { readConfig } from "../../src/daemon/config.ts";
import { startDaemon } from "../../src/daemon/daemon.ts";
import { createSchedule } from "../../src/daemon/engine/schedules/create-schedule.ts";
import { fireSchedules } from "../../src/daemon/engine/schedules/fire-schedules.ts";
import { SILENT_LOGGER } from "../../src/daemon/logger.ts";
import { MetricsText } from "../../src/daemon/rpc/metrics/metrics-text.ts";
import { CommitMetrics, renderMetrics } from "../../src/daemon/rpc/metrics/metrics.ts";
import { createEngineWorld } from "../support/engine-world.ts";
import { TEST_INFO } from "../support/http-world.ts";

/** Samples by name and labels; throws for a line that Prometheus would not take. */
function parse(text: string): ReadonlyMap<string, number> {
  expect(text.endsWith("\n")).toBe(true);
  const samples = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    if (/^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (gauge|counter|histogram))$/.test(line)) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})?) (-?[0-9.e+-]+)$/.exec(line);
    if (match === null || samples.has(match[1]!)) throw new Error(`not a sample: ${line}`);
    samples.set(match[1]!, Number(match[2]));
  }
  return samples;
}

describe("/metrics", () => {
  test("tells depths, workers and the process, in the format of Prometheus", async () => {
    await using world = await createEngineWorld();
    await world.enqueue('odd:"name\\');
    await world.enqueue("a:b");
    await world.enqueue("a:b");
    const worker = await world.connect("w", { functionNames: ["a:b"], concurrency: 1 });
    await worker.assignedCount(1);
    const samples = parse(await renderMetrics(world.engine, TEST_INFO, new CommitMetrics()));
    expect(samples.get('reseolio_info{version="1.2.3",storage="sqlite",node="node"}')).toBe(1);
    expect(samples.get('reseolio_jobs{function="odd:\\"name\\\\",state="PENDING"}')).toBe(1);
    expect(samples.get('reseolio_function_workers{function="a:b"}')).toBe(1);
    expect(samples.get("reseolio_workers")).toBe(1);
    expect(samples.get('reseolio_schedule_ticks_total{outcome="fired"}')).toBe(0);
    expect(samples.get("reseolio_storage_bytes")).toBeGreaterThan(0);
    expect(samples.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(samples.get("process_start_time_seconds")).toBe(TEST_INFO.startedAt / 1_000);
  });

  test("tells what schedules did: ticks that fired and were skipped, and how late they were", async () => {
    await using world = await createEngineWorld();
    const { engine, clock } = world;
    engine.schedules.observe(clock.now());
    await createSchedule(engine, "s", { cron: "* * * * * *", functionName: "a:b", overlap: "skip" });
    for (let second = 0; second < 3; second++) {
      clock.advance(1_020);
      await fireSchedules(engine);
    }
    const samples = parse(await renderMetrics(engine, TEST_INFO, new CommitMetrics()));
    expect(samples.get('reseolio_schedule_ticks_total{outcome="fired"}')).toBe(1);
    expect(samples.get('reseolio_schedule_ticks_total{outcome="skipped"}')).toBe(2);
    expect(samples.get("reseolio_schedule_lateness_seconds_count")).toBe(1);
    expect(samples.get('reseolio_schedule_lateness_seconds_bucket{le="0.01"}')).toBe(0);
    expect(samples.get('reseolio_schedule_lateness_seconds_bucket{le="0.025"}')).toBe(1);
  });

  test("counts commits into cumulative buckets, and slow ones into the last", () => {
    const text = new MetricsText();
    text.histogram("x", "Y", { bounds: [0.1, 1], buckets: [2, 3], count: 6, sum: 9.5 });
    const samples = parse(text.toString());
    expect(samples.get('x_bucket{le="0.1"}')).toBe(2);
    expect(samples.get('x_bucket{le="1"}')).toBe(5);
    expect(samples.get('x_bucket{le="+Inf"}')).toBe(6);
    const commits = new CommitMetrics();
    for (const milliseconds of [0.1, 0.25, 0.3, 900, 5_000]) commits.record(milliseconds, []);
    expect(commits.buckets.slice(0, 2)).toEqual([2, 1]);
    expect(commits.buckets.at(-1)).toBe(1);
    expect(commits.count).toBe(5);
    expect(commits.seconds).toBeCloseTo(5.900_65);
  });

  test("of a daemon tells what its commits did", async () => {
    const result = readConfig({ flags: { db: ":memory:", addr: "127.0.0.1:0" }, env: {}, version: "1.2.3" });
    if (!result.ok) throw new Error(result.faults.join("\n"));
    const daemon = await startDaemon(result.config, SILENT_LOGGER);
    try {
      const post = async (method: string, body: object): Promise<{ results: { job: { jobId: string } }[] }> => {
        const headers = { "content-type": "application/json" };
        const url = `http://${daemon.address}/reseolio.v1.JobService/${method}`;
        const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
        return (await response.json()) as { results: { job: { jobId: string } }[] };
      };
      const { results } = await post("EnqueueJobs", { jobs: [{ functionName: "a:b" }] });
      await post("CancelJob", { jobId: results[0]!.job.jobId });
      const response = await fetch(`http://${daemon.address}/metrics`);
      expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
      const samples = parse(await response.text());
      expect(samples.get("reseolio_commit_seconds_count")).toBeGreaterThanOrEqual(2);
      expect(samples.get("reseolio_commit_seconds_sum")).toBeGreaterThan(0);
      expect(samples.get('reseolio_transitions_total{state="CANCELLED"}')).toBe(1);
      expect(samples.get('reseolio_transitions_total{state="SUCCESS"}')).toBe(0);
      expect(samples.get('reseolio_jobs{function="a:b",state="CANCELLED"}')).toBe(1);
    } finally {
      await daemon.stop();
    }
  });
});
