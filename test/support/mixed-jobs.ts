import { decide, type JobEvent } from "../../src/daemon/core/job-machine.ts";
import { type JobOptionsInput, resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import type { Store, Transaction } from "../../src/daemon/storage/seam/store.ts";
import type { Random } from "./seeded-random.ts";

export const MIXED_FUNCTIONS = [
  "mixed:plain",
  "mixed:ünï:çødé",
  'mixed:"quoted"\\',
  "mixed:tab\tand\x10control",
] as const;
export const MIXED_WORKERS = ["mixed-worker-a", "mixed-worker-b"] as const;

const BATCH = 100;
const encoder = new TextEncoder();

/**
 * Fills a store with jobs of every state and kind: attempts of every outcome, keys, parents, headers, deadlines, delays,
 * text that is hard to write, payloads up to 100 KB, schedules with their ticks, checkpoints, parked jobs, events and
 * signals.
 *
 * @param now the store's time, for the ids
 */
export async function fillMixed(store: Store, now: number, count: number, random: Random): Promise<void> {
  for (const workerId of MIXED_WORKERS) {
    await store.transact((tx) => tx.workers.save(worker(workerId), 60_000));
  }
  let last: string | null = null;
  for (let from = 0; from < count; from += BATCH) {
    const items = Array.from({ length: Math.min(BATCH, count - from) }, (_, place) => {
      const item = job(from + place, now, random, last);
      last = item.jobId;
      return item;
    });
    await store.transact(async (tx) => {
      await tx.jobs.enqueue(items);
      await schedule(tx, items, now + from);
    });
    await work(store, random);
  }
}

/** A schedule a batch, some of them deleted, to which a tenth of the batch's jobs belong. */
async function schedule(tx: Transaction, items: readonly NewJob[], now: number): Promise<void> {
  const [first] = items;
  const scheduleId = first!.jobId.replace("-8abc-", "-8abd-");
  const isDeleted = now % 300 === 0;
  await tx.schedules.insert({
    scheduleId,
    name: `nïghtly \x10 ${now}`,
    state: isDeleted ? "DELETED" : "ACTIVE",
    spec: {
      ...{
        cron: "0 8 * * *",
        timeZone: "Europe/Berlin",
        functionName: MIXED_FUNCTIONS[1],
        args: encoder.encode("[1]"),
      },
      ...{
        options: first!.options,
        catchUp: "all",
        maxCatchUp: 7,
        overlap: "skip",
        jitterMs: 5,
        startAt: 1,
        endAt: null,
      },
    },
    ...{ createdAt: now, updatedAt: now + 1, nextRunAt: isDeleted ? null : now + 90_000_000, skipped: 2, liveFrom: 3 },
    ...{ lastRunAt: now, lastJobId: first!.jobId },
  });
  const ticks = items
    .filter((_, place) => place % 10 === 0)
    .map(({ jobId }, place) => ({
      ...{ scheduleId, jobId },
      tickAt: place === 0 ? null : now + place,
    }));
  await tx.schedules.recordTicks(ticks);
}

function worker(workerId: string) {
  return {
    workerId,
    nodeId: "a node",
    host: "hôst",
    hostId: "another host",
    pid: 4711,
    processStart: "long ago",
    functionNames: MIXED_FUNCTIONS,
    concurrency: 10,
    client: "test",
  };
}

function job(number: number, now: number, random: Random, parentId: string | null): NewJob {
  const often = (share: number) => random.next() < share;
  const input: JobOptionsInput = {
    priority: random.between(-2, 2),
    maxAttempts: random.between(1, 3),
    jitter: random.between(0, 10) / 10,
    backoff: (["fixed", "linear", "exponential"] as const)[random.between(0, 2)]!,
    ...(often(0.2) ? { delayMs: random.between(1, 100_000_000) } : {}),
    ...(often(0.4) ? { idempotencyKey: `key ${number} \x10 \\"{},ß\u{1F600}` } : {}),
    ...(often(0.3) ? { headers: { traceparent: `00-${number}`, naïve: '"\n\\' } } : {}),
    ...(often(0.1) ? { startWithinMs: 50_000_000 } : {}),
    ...(often(0.1) ? { finishWithinMs: 90_000_000 } : {}),
  };
  const { options, violations } = resolveJobOptions(input, "options");
  if (violations.length > 0) throw new Error(JSON.stringify(violations));
  return {
    jobId: jobId(now, number),
    functionName: MIXED_FUNCTIONS[random.between(0, MIXED_FUNCTIONS.length - 1)]!,
    args: payload(number, random),
    options,
    parentId: often(0.1) ? parentId : null,
  };
}

function jobId(now: number, number: number): string {
  const time = Math.floor(now).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8abc-${number.toString(16).padStart(12, "0")}`;
}

/** JSON, as callers send; now and then bytes that are none, and large ones. */
function payload(number: number, random: Random): Uint8Array {
  const chance = random.next();
  if (chance < 0.02) return encoder.encode(JSON.stringify(["x".repeat(random.between(1_000, 100_000))]));
  if (chance < 0.05) return Uint8Array.from({ length: random.between(0, 300) }, () => random.between(0, 255));
  return encoder.encode(JSON.stringify([number, "grüße \u{1F600}\0", null]));
}

/** Claims some of what is ready, and lets something happen to most of it. */
async function work(store: Store, random: Random): Promise<void> {
  const demands = MIXED_WORKERS.map((workerId) => ({ workerId, functionNames: MIXED_FUNCTIONS, limit: 35 }));
  const claimed = await store.transact((tx) => tx.jobs.claim(demands));
  const jobs = claimed.flatMap((one) => one.jobs);
  const transitions = jobs.flatMap((one) => {
    const event = eventFor(one, random);
    const transition = event === null ? null : decide(one, event, { maxLosses: 3 }, 0.5);
    return transition === null ? [] : [transition];
  });
  await store.transact((tx) => tx.jobs.applyTransitions(transitions));
  const left = jobs.filter((one) => !transitions.some(({ jobId }) => jobId === one.jobId));
  await store.transact((tx) => workflows(tx, left));
}

const ORDER = {
  seq: 3,
  asked: 1,
  op: 4_000_000_000,
  alone: true,
  prompt: false,
  beside: false,
  undo: true,
  endedAttempt: true,
};

/** Steps and values of those that still run, some of which then wait for a sleep, an event and a job. */
async function workflows(tx: Transaction, jobs: readonly Job[]): Promise<void> {
  const error = { name: "Err\u00f6r", message: 'no "luck" \\' };
  const failed = {
    name: "failed",
    kind: "step",
    value: null,
    error,
    place: 1,
    order: null,
    awaitedJobId: null,
  } as const;
  await tx.workflows.record(
    jobs.flatMap(({ jobId, leaseToken, failures }) => [
      {
        jobId,
        leaseToken,
        name: "st\u00e9p \x10\0",
        kind: "step",
        value: encoder.encode("1"),
        error: null,
        failures,
        place: 0,
        order: null,
        awaitedJobId: null,
      },
      { ...failed, jobId, leaseToken, failures },
      { ...failed, jobId, leaseToken, failures, name: "ordered", order: ORDER },
      {
        ...failed,
        jobId,
        leaseToken,
        failures,
        name: "j\u00f6b",
        kind: "job",
        order: ORDER,
        awaitedJobId: jobs[0]!.jobId,
      },
    ]),
  );
  const parked = jobs.filter((_, place) => place % 2 === 0);
  const park = parked.map((one) => decide(one, { kind: "park", ranMs: 12 }, { maxLosses: 3 }, 0)!);
  await tx.jobs.applyTransitions(park);
  const event = { name: `happened \0 ${parked[0]?.jobId}`, payload: encoder.encode('"p\u00e4"') };
  await tx.events.emit([event, { ...event, payload: encoder.encode('"again"') }], 10);
  await sendSignals(tx, jobs, 0);
  await tx.workflows.park(
    parked.map(({ jobId, leaseToken }) => ({
      jobId,
      leaseToken,
      waits: [
        { name: "nap", kind: "sleep", sleepMs: 80_000_000, order: { op: 7, prompt: true, beside: false } },
        { name: "until", kind: "sleep", sleepUntil: 4_000_000_000_000 },
        { name: "ev\u00e9nt", kind: "event", eventName: "n\u00e9ver", timeoutMs: null },
        { name: "since", kind: "event", eventName: "n\u00e9ver", timeoutMs: null, sinceStart: true },
        { name: "sign\u00e4l", kind: "signal", signalName: "g\u00f3 \0", timeoutMs: 70_000_000 },
        { name: "taken at once", kind: "signal", signalName: "again", timeoutMs: null },
        { name: "job", kind: "job", awaitedJobId: (jobs.find((one) => one.jobId !== jobId) ?? jobs[0]!).jobId },
      ],
      waitingNames: ["nap", "until", "ev\u00e9nt"],
      place: 2,
      order: { seq: 4, asked: 2, alone: false },
    })),
  );
  await sendSignals(tx, jobs, 1);
}

/** Those of the first round wait for waits to come, or for ever; some of the second are awaited. */
async function sendSignals(tx: Transaction, jobs: readonly Job[], round: number): Promise<void> {
  await tx.workflows.sendSignals(
    jobs.flatMap(({ jobId }, place) =>
      ["again", ...(round === 1 && place % 4 === 0 ? ["g\u00f3 \0"] : [])].map((name, of) => ({
        signalId: jobId.replace("-8abc-", `-9${round}${of}0-`),
        ...{ jobId, name },
        payload: encoder.encode(`"p\u00e4 ${place}"`),
      })),
    ),
  );
}

/** Null leaves it running. */
function eventFor({ attempt }: Job, random: Random): JobEvent | null {
  const error = { name: "Err\u00f6r", message: `no "luck" \\ at ${attempt}\n\u{1F4A5}`, stack: "at x\n\tat y" };
  const chance = random.next();
  if (chance < 0.4) return { kind: "succeed", result: payload(attempt, random) };
  if (chance < 0.65) return { kind: "fail", error, terminal: chance < 0.45, retryAfterMs: chance > 0.6 ? 0 : null };
  if (chance < 0.75) return { kind: "timeout" };
  if (chance < 0.85) return { kind: "lose" };
  if (chance < 0.9) return { kind: "cancel", reason: "cancelled" };
  if (chance < 0.93) return { kind: "release", started: true };
  return null;
}
