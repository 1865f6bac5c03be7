/** A client or worker process of the benchmark. Runs on Bun, and bundled on Node. Ends when its stdin ends. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createInterface } from "node:readline";
import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { context } from "../../src/sdk/replay/scope.ts";
import { Reseolio } from "../../src/sdk/reseolio.ts";
import { helloFrame, openSessionStream } from "../../src/sdk/session/session-stream.ts";
import { type Client, createClient } from "../../src/sdk/transport/client.ts";
import { type Answer, type ListFilter, type Order, PAYLOAD, type Timing } from "./child-protocol.ts";
import type * as PhysicalLimits from "./physical-limits.ts";
import { percentile } from "./statistics.ts";

/** By name, out of the bundle for Node, which has no `bun:sqlite`. */
const PHYSICAL_LIMITS: string = "./physical-limits.ts";
const HOUR_MS = 60 * 60 * 1000;

let reseolio: Reseolio | undefined;
let client: Client | undefined;
let commits: PhysicalLimits.RawCommits | undefined;

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await obey(JSON.parse(line) as Order).catch((error: unknown): Answer => ({
    kind: "failed",
    message: error instanceof Error ? error.message : String(error),
  }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);

async function obey(order: Order): Promise<Answer> {
  switch (order.op) {
    case "connect":
      return await connect(order.address, order.concurrency);
    case "unary":
      return timed(await repeat(order.count, 1, async () => void (await daemon().daemon.getInfo({}))));
    case "frames":
      return timed(await frames(order.count, () => {}));
    case "durable-frames":
      return timed(await durableFrames(order.count, order.directory));
    case "enqueue":
      return timed(
        await repeat(order.count, order.inFlight, async () => void (await sdk().enqueue(order.functionName, PAYLOAD))),
      );
    case "bulk":
      return timed(await bulk(order.functionName, order.count, order.batch));
    case "call":
      return timed(
        await repeat(order.count, order.inFlight, async () => {
          const job = await sdk().enqueue(order.functionName, PAYLOAD);
          await job.result(60_000);
        }),
      );
    case "serve":
      sdk().durable(order.functionName, () => null);
      return { kind: "done" };
    case "drain":
      return timed(await drain(order.functionName, order.count, () => null));
    case "workflows":
      return timed(await drain(order.functionName, order.count, () => runSteps(order.steps)));
    case "steps":
      return timed(await timeSteps(order.functionName, order.count));
    case "settled":
      await untilSettled(order.functionName, order.count);
      return { kind: "done" };
    case "list":
      return timed(await repeat(order.count, 1, () => listJobs(order.filter)));
    case "stop":
      await sdk().stop();
      daemon().close();
      commits?.close();
      return { kind: "done" };
  }
}

async function connect(address: string, concurrency: number): Promise<Answer> {
  reseolio = new Reseolio({ address, autoStart: false, workerConcurrency: concurrency });
  client = createClient({ address });
  await reseolio.start();
  return { kind: "done" };
}

/** Runs `act` `count` times, `inFlight` at a time; times each run and the whole. */
async function repeat(count: number, inFlight: number, act: () => Promise<void>): Promise<Timing> {
  const latencies = new Float64Array(count);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const startedAt = performance.now();
      await act();
      latencies[index] = performance.now() - startedAt;
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return summary(count, performance.now() - startedAt, latencies);
}

/**
 * The lower bound for a durable answer. Frames and commits alternate, as in a real one: alone, each finds a warmer CPU.
 */
async function durableFrames(count: number, directory: string): Promise<Timing> {
  const { openRawCommits } = (await import(PHYSICAL_LIMITS)) as typeof PhysicalLimits;
  commits ??= openRawCommits(directory, `commits-${process.pid}.tmp`);
  const { single } = commits;
  return frames(count, () => void single(1));
}

/** On a stream of its own, so that nothing but the frame is measured, and what is done after each. */
async function frames(count: number, after: () => void): Promise<Timing> {
  let onFrame = (): void => {};
  let onEnd: (error: unknown) => void = () => {};
  const stream = openSessionStream(daemon(), { onFrame: () => onFrame(), onEnd: (error) => onEnd(error) });
  const exchange = (frame: ReturnType<typeof helloFrame>): Promise<void> =>
    new Promise((resolve, reject) => {
      onFrame = resolve;
      onEnd = (error) => reject(error instanceof Error ? error : new Error("the daemon ended the stream"));
      stream.send(frame);
    });
  await exchange(helloFrame(bystander(), false));
  let frameId = 1;
  const timing = await repeat(count, 1, async () => {
    await exchange(emptyFrame(++frameId));
    after();
  });
  stream.finish();
  await stream.ended;
  return timing;
}

function emptyFrame(frameId: number): ReturnType<typeof helloFrame> {
  const { hello: _, ...rest } = helloFrame(bystander(), false);
  return { ...rest, frameId };
}

function bystander(): Parameters<typeof helloFrame>[0] {
  return {
    $typeName: "reseolio.v1.Hello",
    workerId: crypto.randomUUID(),
    host: "bench",
    hostId: "",
    pid: process.pid,
    processStart: "",
    functionNames: [],
    concurrency: 0,
    heldLeases: [],
    client: "bench",
    ordered: true,
  };
}

async function bulk(functionName: string, count: number, batch: number): Promise<Timing> {
  const args = new TextEncoder().encode(JSON.stringify(PAYLOAD));
  const jobs = Array.from({ length: batch }, () => ({ functionName, args }));
  const timing = await repeat(Math.ceil(count / batch), 1, async () => {
    const { results } = await daemon().jobs.enqueueJobs({ jobs });
    const refused = results.find(({ result }) => result.case !== "job");
    if (refused !== undefined) throw new Error(`bulk enqueue: an item was refused: ${JSON.stringify(refused)}`);
  });
  return { ...timing, count: timing.count * batch };
}

/** Measures from the worker's request for the function until the daemon has recorded the last outcome. */
async function drain(functionName: string, count: number, work: () => unknown): Promise<Timing> {
  let runs = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    sdk().durable(functionName, () => {
      runs++;
      if (runs === count) resolve();
      return work();
    });
  });
  await untilSettled(functionName, count);
  return { count, elapsedMs: performance.now() - startedAt, p50Ms: 0, p99Ms: 0 };
}

async function runSteps(count: number): Promise<void> {
  const { step } = context();
  for (let index = 0; index < count; index++) await step(`step ${index}`, () => null);
}

/** Measures from the call of a step until the handler continues. */
async function timeSteps(functionName: string, count: number): Promise<Timing> {
  let timing: Timing | undefined;
  const timed = sdk().durable(functionName, async () => {
    const { step } = context();
    let index = 0;
    timing = await repeat(count, 1, async () => void (await step(`step ${index++}`, () => null)));
  });
  await (await timed()).result(60_000);
  if (timing === undefined) throw new Error("the workflow ended without a timing");
  return timing;
}

async function untilSettled(functionName: string, count: number): Promise<void> {
  while ((await settled(functionName)) < count) continue;
}

async function settled(functionName: string): Promise<number> {
  const { functions } = await daemon().daemon.getStats({});
  const counts = functions.find((one) => one.functionName === functionName)?.counts ?? [];
  return Number(counts.find(({ state }) => state === JobState.SUCCESS)?.count ?? 0);
}

async function listJobs(filter: ListFilter): Promise<void> {
  const { hourEndingMsAgo } = filter;
  const end = Date.now() - (hourEndingMsAgo ?? 0);
  await daemon().jobs.listJobs({
    filter: {
      states: [...(filter.states ?? [])],
      functionNames: [...(filter.functionNames ?? [])],
      ...(hourEndingMsAgo === undefined
        ? {}
        : { createdAfter: timestampFromMs(end - HOUR_MS), createdBefore: timestampFromMs(end) }),
    },
    pageSize: 50,
  });
}

function summary(count: number, elapsedMs: number, latencies: Float64Array): Timing {
  return { count, elapsedMs, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) };
}

function timed(timing: Timing): Answer {
  return { kind: "timing", timing };
}

function sdk(): Reseolio {
  if (reseolio === undefined) throw new Error("not connected: send connect first");
  return reseolio;
}

function daemon(): Client {
  if (client === undefined) throw new Error("not connected: send connect first");
  return client;
}
