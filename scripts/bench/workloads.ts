/** What is timed, once through, on one daemon. */
import type { BenchContext } from "./bench-context.ts";
import { type Child, type Runtime, startChild } from "./child-process.ts";
import { type BenchDaemon, processorMs, startDaemon } from "./daemon-process.ts";
import { measureFsyncs, openRawCommits } from "./physical-limits.ts";
import type { Recorder } from "./recorder.ts";
import type { SceneName } from "./row-specs.ts";
import { median } from "./statistics.ts";

const CONCURRENCY = 64;
const TURNS = 8;
const PAIRED_TURNS = 3;
const GROUPED_COMMITS = 600;
const FSYNCS = 500;
const SINK = "bench:sink:enqueue";
const DRAIN = "bench:drain:noop";
const CALL = "bench:call:noop";
const WORKFLOW = "bench:workflow:three-steps";
const STEPS = "bench:workflow:many-steps";

/** Additional measurements of a scene, besides those of its daemon. */
export interface SceneExtras {
  /** Milliseconds of processor time that the database's own processes have used. */
  readonly serverMs?: () => number | null;
  /** The rate that 64 calls in flight are compared with; the two measurements alternate. */
  readonly besideEnqueues?: () => Promise<number>;
}

/** A daemon with one client and one worker, each a process. */
interface Stage {
  readonly daemon: BenchDaemon;
  readonly client: Child;
  readonly worker: Child;
}

/** Starts a daemon on the file, warms everything up, runs every workload once and records the figures of the scene. */
export async function runWorkloads(
  context: BenchContext,
  scene: SceneName,
  db: string,
  runtime: Runtime,
  extras: SceneExtras = {},
): Promise<void> {
  const stage = await setStage(context.executable, db, runtime);
  try {
    await warmUp(context, stage);
    await recordSingles(context, scene, stage);
    await recordEnqueues(context, scene, stage, extras);
    if (scene === "empty") await recordLimits(context, stage);
    await recordDrain(context, scene, stage, extras);
    await recordCalls(context, scene, stage);
    if (scene === "empty" || scene === "node" || scene === "postgres") await recordWorkflows(context, scene, stage);
  } finally {
    await Promise.all([stage.client.stop(), stage.worker.stop()]);
    await stage.daemon.stop();
  }
}

async function setStage(executable: string, db: string, runtime: Runtime): Promise<Stage> {
  const daemon = await startDaemon(executable, db);
  const client = startChild(runtime);
  const worker = startChild(runtime);
  await client.connect(daemon.address, 0);
  await worker.connect(daemon.address, CONCURRENCY);
  await worker.do({ op: "serve", functionName: CALL });
  return { daemon, client, worker };
}

async function warmUp({ scale }: BenchContext, { client, worker }: Stage): Promise<void> {
  const functionName = "bench:warm-up:noop";
  const count = scale.warmUp;
  await client.time({ op: "enqueue", functionName, count: Math.ceil(count / 10), inFlight: 1 });
  await client.time({ op: "enqueue", functionName, count, inFlight: CONCURRENCY });
  await worker.time({ op: "drain", functionName, count: count + Math.ceil(count / 10) });
  await client.time({ op: "call", functionName: CALL, count: Math.ceil(count / 10), inFlight: 1 });
}

/** Alternates single enqueues with their baselines, so that all of them run under the same load. */
async function recordSingles(context: BenchContext, scene: SceneName, { client }: Stage): Promise<void> {
  const { scale, recorder } = context;
  const commits = openRawCommits(context.directory);
  const count = Math.ceil(scale.enqueueOne / TURNS);
  const turns: SingleTurn[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const frame = await client.time({ op: "frames", count });
    const commitMs = commits.single(count);
    const limitMs = await durableFrameMs(context, scene, client, count);
    const enqueue = await client.time({ op: "enqueue", functionName: SINK, count, inFlight: 1 });
    turns.push({ frameMs: frame.p50Ms, commitMs, limitMs, enqueueMs: enqueue.p50Ms, p99Ms: enqueue.p99Ms });
  }
  recorder.add(`${scene}/enqueue-1/p50`, median(turns.map((turn) => turn.enqueueMs)));
  recorder.add(`${scene}/enqueue-1/p99`, median(turns.map((turn) => turn.p99Ms)));
  if (scene === "empty") {
    recorder.add("limits/frame/p50", median(turns.map((turn) => turn.frameMs)));
    recorder.add("limits/commit", median(turns.map((turn) => turn.commitMs)));
    recorder.add("limits/grouped", commits.grouped(Math.ceil(GROUPED_COMMITS * scale.limits)));
    recorder.add("limits/durable-frame/p50", median(turns.map((turn) => turn.limitMs)));
    recordOverheads(recorder, "empty/enqueue-1", turns, (turn) => turn.enqueueMs);
  }
  commits.close();
}

/** The baselines of one turn. */
interface Limits {
  readonly frameMs: number;
  readonly commitMs: number;
  /** Of a frame and a commit, one after the other. */
  readonly limitMs: number;
}

interface SingleTurn extends Limits {
  readonly enqueueMs: number;
  readonly p99Ms: number;
}

/** Measured by the process whose figure is compared with it. NaN for full databases: their figures are not compared. */
async function durableFrameMs(
  { directory }: BenchContext,
  scene: SceneName,
  child: Child,
  count: number,
): Promise<number> {
  if (scene !== "empty") return Number.NaN;
  return (await child.time({ op: "durable-frames", count, directory })).p50Ms;
}

/**
 * Compares with both in sequence, and with the sum of each measured alone, which no program that does both can reach.
 */
function recordOverheads<Turn extends Limits>(
  recorder: Recorder,
  key: string,
  turns: readonly Turn[],
  msOf: (turn: Turn) => number,
): void {
  recorder.add(`${key}/overhead`, median(turns.map((turn) => msOf(turn) / turn.limitMs)));
  recorder.add(`${key}/overhead-alone`, median(turns.map((turn) => msOf(turn) / (turn.frameMs + turn.commitMs))));
}

async function recordEnqueues(
  context: BenchContext,
  scene: SceneName,
  { client, daemon }: Stage,
  { serverMs = unknown, besideEnqueues }: SceneExtras,
): Promise<void> {
  const { scale, recorder } = context;
  const enqueue = async (inFlight: number): Promise<EnqueueRun> => {
    const before = { daemon: processorMs(daemon.pid), server: serverMs() };
    const count = scale.enqueueMany;
    const many = await client.time({ op: "enqueue", functionName: SINK, count, inFlight });
    const used = { daemonUs: microseconds(processorMs(daemon.pid), before.daemon, count) };
    return { rate: rate(many), ...used, serverUs: microseconds(serverMs(), before.server, count) };
  };
  const few =
    besideEnqueues === undefined
      ? [await enqueue(64)]
      : await inTurns(recorder, scene, () => enqueue(64), besideEnqueues);
  recordRuns(recorder, `${scene}/enqueue-64`, few);
  recordRuns(recorder, `${scene}/enqueue-256`, [await enqueue(256)]);
  const bulk = await client.time({ op: "bulk", functionName: SINK, count: scale.bulk, batch: 1_000 });
  recorder.add(`${scene}/bulk/rate`, rate(bulk));
}

interface EnqueueRun {
  readonly rate: number;
  /** Processor time per job; null if the system does not report it. */
  readonly daemonUs: number | null;
  readonly serverUs: number | null;
}

/** Runs each measurement between two of its baseline, so that other load on the machine affects both. */
async function inTurns(
  recorder: Recorder,
  scene: SceneName,
  enqueue: () => Promise<EnqueueRun>,
  beside: () => Promise<number>,
): Promise<readonly EnqueueRun[]> {
  const runs: EnqueueRun[] = [];
  const shares: number[] = [];
  const others = [await beside()];
  for (let turn = 0; turn < PAIRED_TURNS; turn++) {
    const run = await enqueue();
    const [previous = 0, next] = [others.at(-1), await beside()];
    runs.push(run);
    others.push(next);
    shares.push(run.rate / ((previous + next) / 2));
  }
  recorder.add(`${scene}/beside-64/rate`, median(others));
  recorder.add(`${scene}/enqueue-64/share`, median(shares));
  return runs;
}

function recordRuns(recorder: Recorder, key: string, runs: readonly EnqueueRun[]): void {
  const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
  const add = (name: string, values: readonly number[]): void => {
    if (values.length > 0) recorder.add(`${key}/${name}`, median(values));
  };
  add(
    "rate",
    runs.map((run) => run.rate),
  );
  add("cpu", known(runs.map((run) => run.daemonUs)));
  add("server-cpu", known(runs.map((run) => run.serverUs)));
}

async function recordDrain(
  { scale, recorder }: BenchContext,
  scene: SceneName,
  stage: Stage,
  { serverMs = unknown }: SceneExtras,
): Promise<void> {
  await stage.client.time({ op: "enqueue", functionName: DRAIN, count: scale.drain, inFlight: 256 });
  const before = processorMs(stage.daemon.pid);
  const serverBefore = serverMs();
  const drained = await stage.worker.time({ op: "drain", functionName: DRAIN, count: scale.drain });
  recorder.add(`${scene}/drain/rate`, rate(drained));
  recordProcessor(recorder, `${scene}/drain/cpu`, processorMs(stage.daemon.pid), before, scale.drain);
  recordProcessor(recorder, `${scene}/drain/server-cpu`, serverMs(), serverBefore, scale.drain);
}

async function recordCalls({ scale, recorder }: BenchContext, scene: SceneName, { client }: Stage): Promise<void> {
  const single = await client.time({ op: "call", functionName: CALL, count: scale.call, inFlight: 1 });
  recorder.add(`${scene}/call/p50`, single.p50Ms);
  recorder.add(`${scene}/call/p99`, single.p99Ms);
  const many = await client.time({ op: "call", functionName: CALL, count: scale.callMany, inFlight: CONCURRENCY });
  recorder.add(`${scene}/call-64/rate`, rate(many));
}

async function recordWorkflows(context: BenchContext, scene: SceneName, stage: Stage): Promise<void> {
  const { scale, recorder } = context;
  const { client, worker, daemon } = stage;
  const count = scale.workflows;
  await client.time({ op: "enqueue", functionName: WORKFLOW, count, inFlight: 256 });
  const before = processorMs(daemon.pid);
  const drained = await worker.time({ op: "workflows", functionName: WORKFLOW, count, steps: 3 });
  recorder.add(`${scene}/workflows/rate`, rate(drained));
  // The remaining figures are compared with limits of SQLite.
  if (scene === "postgres") return;
  recordProcessor(recorder, `${scene}/workflows/cpu`, processorMs(daemon.pid), before, count);
  await recordSteps(context, scene, stage);
}

/** Like single enqueues: alternates steps with their baselines. */
async function recordSteps(context: BenchContext, scene: SceneName, { client, worker }: Stage): Promise<void> {
  const { scale, recorder } = context;
  const commits = openRawCommits(context.directory);
  const count = Math.ceil(scale.steps / TURNS);
  const turns: (Limits & { readonly stepMs: number })[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const frame = await client.time({ op: "frames", count });
    const commitMs = commits.single(count);
    const limitMs = await durableFrameMs(context, scene, worker, count);
    const steps = await worker.time({ op: "steps", functionName: `${STEPS}-${turn}`, count });
    turns.push({ frameMs: frame.p50Ms, commitMs, limitMs, stepMs: steps.p50Ms });
  }
  commits.close();
  recorder.add(`${scene}/step/p50`, median(turns.map(({ stepMs }) => stepMs)));
  if (scene === "empty") recordOverheads(recorder, "empty/step", turns, (turn) => turn.stepMs);
}

async function recordLimits({ scale, recorder, directory }: BenchContext, { client }: Stage): Promise<void> {
  recorder.add("limits/fsync", measureFsyncs(directory, Math.ceil(FSYNCS * scale.limits)));
  const unary = await client.time({ op: "unary", count: scale.transport });
  recorder.add("limits/unary/p50", unary.p50Ms);
}

/** Unlike rates, processor time does not depend on other load on the machine. */
function recordProcessor(
  recorder: Recorder,
  key: string,
  after: number | null,
  before: number | null,
  jobs: number,
): void {
  const used = microseconds(after, before, jobs);
  if (used !== null) recorder.add(key, used);
}

/** A job, between two readings in milliseconds. */
function microseconds(after: number | null, before: number | null, jobs: number): number | null {
  return before === null || after === null ? null : ((after - before) * 1000) / jobs;
}

function unknown(): null {
  return null;
}

function rate({ count, elapsedMs }: { readonly count: number; readonly elapsedMs: number }): number {
  return (count / elapsedMs) * 1000;
}
