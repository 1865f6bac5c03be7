/** P4, P6, P8, P9, P12 on a cluster in which the clocks of two daemons are an hour wrong, in either direction. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Reseolio } from "../../../src/sdk/index.ts";
import type { JobHandle, JobOptions } from "../../../src/sdk/index.ts";
import type { Recipe, WorkerSettings } from "../../../test/e2e/fixtures/recipe.ts";
import { type FixtureProcess, spawnFixture } from "../../../test/support/fixture-process.ts";
import { Ledger } from "../../../test/support/ledger.ts";
import { type Cluster, startCluster } from "./cluster.ts";

const LEASE_MS = 2_000;
const FUNCTION = "soak:cluster:skewed";
/** Clock offsets of the three daemons, set by `faketime`. */
const SKEWS = [null, "+1h", "-1h"] as const;
/** Longer than several leases. */
const LONG_MS = 7_000;
const DELAYS_MS = [700, 1_500, 2_600];
const TIMEOUT_MS = 1_000;
const BACKOFF_MS = 1_200;
const MOVE_AT_MS = 4_000;
const MOVE_TIMEOUT_MS = 8_000;
const READY_MS = 20_000;
/** Maximum delay of a due event on a busy machine. */
const LATE_MS = 2_000;

export interface SkewReport {
  readonly faults: readonly string[];
  readonly jobs: number;
  /** From the standstill of a worker to the start of its job elsewhere, by daemon. */
  readonly takeoversMs: readonly number[];
}

/** Whether the program that moves clocks is there. */
export function hasFaketime(): boolean {
  return spawnSync("faketime", ["--version"], { stdio: "ignore" }).status === 0;
}

/** What faketime sets for a program; it starts that as a child, which would outlive a kill of its own. */
function clockSettings(skew: string): readonly string[] {
  const { stdout } = spawnSync("faketime", ["-f", skew, "env"], { encoding: "utf8" });
  const settings = stdout.split("\n").filter((line) => /^(LD_PRELOAD|FAKETIME)=/.test(line));
  if (settings.length < 2) throw new Error(`faketime does not say how it moves the clock: ${stdout.slice(0, 200)}`);
  return [...settings, "FAKETIME_DONT_FAKE_MONOTONIC=1"];
}

/** @param command program and leading arguments of the daemon */
export async function playSkew(command: readonly string[], directory: string): Promise<SkewReport> {
  await using owned = new AsyncDisposableStack();
  const commands = SKEWS.map((skew) => (skew === null ? command : ["env", ...clockSettings(skew), ...command]));
  const cluster = owned.use(await startCluster(commands, ["--lease", `${LEASE_MS}ms`]));
  const ledger = new Ledger(join(directory, "skew-ledger.jsonl"));
  const faults: string[] = [];
  const worlds: Place[] = [];
  for (const place of SKEWS.keys()) worlds.push(await openPlace(cluster, ledger, place, owned));
  const longs = await Promise.all(worlds.map(({ client }) => call(client, { holdMs: LONG_MS }, { timeoutMs: 0 })));
  const checks = worlds.flatMap(({ client }) => [
    ...DELAYS_MS.map((delayMs) => checkDelay(client, ledger, delayMs)),
    checkBackoff(client, ledger),
    checkTimeout(client, ledger),
  ]);
  faults.push(...(await Promise.all(checks)).flat(), ...(await Promise.all(longs.map(checkUndisturbed))).flat());
  faults.push(...(await checkMoves(cluster, ledger, worlds, owned)));
  const takeoversMs: number[] = [];
  for (const world of worlds) takeoversMs.push(await measureTakeover(world, ledger));
  for (const [place, ms] of takeoversMs.entries()) {
    if (ms < LEASE_MS - 500 || ms > LEASE_MS + LATE_MS) {
      faults.push(`a stopped worker of the daemon at ${SKEWS[place] ?? "the right time"} was followed after ${ms} ms`);
    }
  }
  faults.push(...(await checkRecords(cluster)));
  return { faults, jobs: longs.length + checks.length + takeoversMs.length, takeoversMs };
}

/** A daemon's own client and worker; the worker serves a function of its own as well. */
interface Place {
  readonly address: string;
  readonly client: Reseolio;
  readonly spare: FixtureProcess;
  readonly ownFunction: string;
}

async function openPlace(cluster: Cluster, ledger: Ledger, place: number, owned: AsyncDisposableStack): Promise<Place> {
  const address = cluster.daemons[place]?.address ?? "";
  const client = owned.use(new Reseolio({ address, workerConcurrency: 0, autoStart: false }));
  await client.start();
  const ownFunction = `${FUNCTION}:${place}`;
  await startFixture(ledger, address, FUNCTION, owned);
  return { address, client, ownFunction, spare: await startFixture(ledger, address, ownFunction, owned) };
}

async function startFixture(
  ledger: Ledger,
  address: string,
  functionName: string,
  owned: AsyncDisposableStack,
): Promise<FixtureProcess> {
  const settings: WorkerSettings = {
    address,
    ledger: ledger.path,
    functionName,
    concurrency: 30,
    drainTimeoutMs: 1_000,
  };
  const worker = owned.use(spawnFixture("worker", { settings, onLine: () => ledger.noteWritten() }));
  await worker.line("ready");
  return worker;
}

function call(client: Reseolio, recipe: Recipe, options: JobOptions = {}): Promise<JobHandle> {
  return client.enqueue(FUNCTION, [recipe], options);
}

/** By the clock of this process, which every worker shares. */
async function checkDelay(client: Reseolio, ledger: Ledger, delayMs: number): Promise<readonly string[]> {
  const calledAt = Date.now();
  const job = await call(client, {}, { delayMs });
  const [start] = await ledger.until("start", 1, job.jobId);
  return inTime(`a job delayed by ${delayMs} ms`, (start?.at ?? 0) - calledAt, delayMs);
}

async function checkBackoff(client: Reseolio, ledger: Ledger): Promise<readonly string[]> {
  const options: JobOptions = { backoff: "fixed", initialDelayMs: BACKOFF_MS, jitter: 0 };
  const job = await call(client, { failures: 1 }, options);
  const [, again] = await ledger.until("start", 2, job.jobId);
  const [failure] = ledger.find("fail", job.jobId);
  return inTime("a retry", (again?.at ?? 0) - (failure?.at ?? 0), BACKOFF_MS);
}

async function checkTimeout(client: Reseolio, ledger: Ledger): Promise<readonly string[]> {
  const job = await call(client, { holdMs: 60_000 }, { timeoutMs: TIMEOUT_MS, maxAttempts: 1 });
  const [abort] = await ledger.until("abort", 1, job.jobId);
  const [start] = ledger.find("start", job.jobId);
  return inTime("the signal of a timeout", (abort?.at ?? 0) - (start?.at ?? 0), TIMEOUT_MS);
}

async function checkUndisturbed(job: JobHandle): Promise<readonly string[]> {
  await job.result(30_000);
  const { attempt } = await job.details();
  return attempt === 1 ? [] : [`a job of ${LONG_MS} ms needed ${attempt} attempts: its lease was lost`];
}

/**
 * Workers start at the daemon with the correct clock, which is then killed, and continue at the others. Attempts must
 * neither end early nor get their time limit twice.
 */
async function checkMoves(
  cluster: Cluster,
  ledger: Ledger,
  worlds: readonly Place[],
  owned: AsyncDisposableStack,
): Promise<readonly string[]> {
  const [right, ...wrong] = worlds;
  const moving = wrong.map(async ({ client }, index) => {
    const functionName = `${FUNCTION}:moving-${index}`;
    const address = [right, worlds[index + 1]].map((one) => one?.address).join(",");
    await startFixture(ledger, address, functionName, owned);
    const long = await client.enqueue(functionName, [{ holdMs: MOVE_AT_MS + 2_000 }], { timeoutMs: MOVE_TIMEOUT_MS });
    const options = { timeoutMs: MOVE_TIMEOUT_MS, maxAttempts: 1 };
    const hanging = await client.enqueue(functionName, [{ holdMs: 60_000 }], options);
    const [start] = await ledger.until("start", 1, hanging.jobId);
    await Bun.sleep(Math.max(0, (start?.at ?? 0) + MOVE_AT_MS - Date.now()));
    return { long, hanging, startedAt: start?.at ?? 0 };
  });
  const moved = await Promise.all(moving);
  cluster.daemons[0]?.kill();
  const found = moved.map(async ({ long, hanging, startedAt }) => {
    const [abort] = await ledger.until("abort", 1, hanging.jobId);
    const late = inTime("the timeout of a job that moved", (abort?.at ?? 0) - startedAt, MOVE_TIMEOUT_MS);
    return [...late, ...(await checkUndisturbed(long))];
  });
  const faults = (await Promise.all(found)).flat();
  await cluster.daemons[0]?.ready(READY_MS);
  return faults;
}

/** Every attempt was recorded by one clock. */
async function checkRecords(cluster: Cluster): Promise<readonly string[]> {
  const jobs = await cluster.query(
    "select id, started_at, finished_at from reseolio.jobs where started_at < created_at or finished_at < started_at",
  );
  const attempts = await cluster.query("select * from reseolio.attempts where ended_at < started_at");
  return [...jobs, ...attempts].map((row) => `times that cannot be: ${JSON.stringify(row)}`);
}

/** Stops the worker: its daemon hears nothing from it for a whole lease, and then the job runs elsewhere. */
async function measureTakeover({ client, spare, ownFunction }: Place, ledger: Ledger): Promise<number> {
  const job = await client.enqueue(ownFunction, [{ holdMs: 1_000 }], { timeoutMs: 0 });
  await ledger.until("start", 1, job.jobId);
  spare.signal("SIGSTOP");
  const stoppedAt = Date.now();
  const losses = async (): Promise<boolean> => (await job.status()) === "pending";
  while (!(await losses())) {
    if (Date.now() - stoppedAt > 30_000) break;
    await Bun.sleep(20);
  }
  const tookMs = Date.now() - stoppedAt;
  spare.signal("SIGCONT");
  await job.result(30_000);
  return tookMs;
}

function inTime(what: string, tookMs: number, dueMs: number): readonly string[] {
  if (tookMs < dueMs - 1) return [`${what} came ${dueMs - tookMs} ms early`];
  return tookMs > dueMs + LATE_MS ? [`${what} came ${tookMs - dueMs} ms late`] : [];
}
