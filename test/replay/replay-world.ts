/** A daemon and two clients of it that run programs: one keeps the handlers that wait, one gives up their memory. */
import { Reseolio } from "../../src/sdk/index.ts";
import { type CrashPlan, REAL_CLOCK, TEST_HOOKS, type TestHooks } from "../../src/sdk/workflow/test-hooks.ts";
import { type StoreDaemonOptions, type StoreKind, testStore } from "../support/each-store.ts";
import { AT_END, DeathList, type Deaths } from "./deaths.ts";
import { type CallChild, interpret } from "./interpreter.ts";
import { findDifferences, type JobEnd } from "./oracle.ts";
import { durableChild, endOf, handlerFacts, optionsOf } from "./program-jobs.ts";
import type { Program } from "./program.ts";
import { sendSignals } from "./signals.ts";
import { type JobTrace, MemoryTrace } from "./trace.ts";

/** Whether a handler that waits stays in memory. */
export type HandlerMemory = "kept" | "given up";

export interface RunReport {
  readonly trace: JobTrace;
  readonly end: JobEnd;
  readonly differences: readonly string[];
  /** Where it could have died. */
  readonly points: readonly string[];
}

export interface ReplayWorld extends AsyncDisposable {
  readonly store: StoreKind;
  readonly address: string;
  run(program: Program, deaths: Deaths, memory: HandlerMemory): Promise<RunReport>;
}

const CONCURRENCY = 500;
const MANY = 1_000_000;
/** Kills of workers are what these jobs are made for. */
const DAEMON_ARGS = ["--max-losses", "1000000", "--max-concurrent", "0", "--log-level", "error"] as const;

/** @param daemon how its process is started */
export async function startReplayWorld(
  store: StoreKind,
  daemon: Pick<StoreDaemonOptions, "command"> = {},
): Promise<ReplayWorld> {
  await using starting = new AsyncDisposableStack();
  const world = starting.use(await testStore(store).createWorld(DAEMON_ARGS, daemon));
  const { address } = world.daemon;
  const runners = { kept: new Runner(address, "kept", MANY), "given up": new Runner(address, "given-up", 0) };
  for (const runner of Object.values(runners)) starting.use(await runner.start());
  const owned = starting.move();
  return {
    store,
    address,
    run: (program, deaths, memory) => runners[memory].run(program, deaths),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Run {
  readonly program: Program;
  readonly deaths: DeathList;
  readonly trace: MemoryTrace;
}

class Runner implements CrashPlan {
  readonly #client: Reseolio;
  readonly #runs = new Map<string, Run>();
  readonly #runOfJob = new Map<string, Run>();
  readonly #childRuns = new Map<string, number>();
  readonly #flow;
  #count = 0;

  constructor(address: string, name: string, maxParkedHandlers: number) {
    const testHooks: TestHooks = { clock: REAL_CLOCK, crashes: this };
    this.#client = new Reseolio({
      ...{ address, autoStart: false, workerConcurrency: CONCURRENCY, maxParkedHandlers },
      ...{ drainTimeoutMs: 0, logger: QUIET, [TEST_HOOKS]: testHooks },
    });
    const child = durableChild(this.#client, `replay:${name}:child`, (jobId) => this.#nextChildRun(jobId));
    this.#flow = this.#client.durable(`replay:${name}:flow`, (key: string) => this.#handle(key, child));
  }

  async start(): Promise<AsyncDisposable> {
    await this.#client.start();
    return { [Symbol.asyncDispose]: () => this.#client.stop() };
  }

  crashesAfter(jobId: string, point: string): boolean {
    const run = this.#runOfJob.get(jobId);
    if (run?.deaths.diesAt(point) !== true) return false;
    run.trace.die(point);
    return true;
  }

  /** What handlers are given is in their traces. */
  observe(): void {}

  afterStepRun(): Promise<void> {
    return Promise.resolve();
  }

  crashesAtEnd({ jobId }: { readonly jobId: string }): boolean {
    return this.#runOfJob.get(jobId)?.deaths.diesAt(AT_END) === true;
  }

  async run(program: Program, deaths: Deaths): Promise<RunReport> {
    const key = String(++this.#count);
    const run: Run = { program, deaths: new DeathList(deaths), trace: new MemoryTrace() };
    this.#runs.set(key, run);
    const job = await this.#flow.with(optionsOf(program))(key);
    void sendSignals(job, program);
    const end = await endOf(job);
    this.#runs.delete(key);
    this.#runOfJob.delete(job.jobId);
    const { trace } = run.trace;
    const differences = findDifferences({ program, trace, end, wasKilled: false });
    return { trace, end, differences, points: [...run.deaths.points] };
  }

  async #handle(key: string, child: CallChild): Promise<string> {
    const run = this.#runs.get(key);
    if (run === undefined) throw new Error(`nobody runs ${key} any more`);
    const facts = handlerFacts();
    this.#runOfJob.set(facts.context.jobId, run);
    return interpret(run.program, facts, run.trace, child);
  }

  #nextChildRun(jobId: string): number {
    const run = (this.#childRuns.get(jobId) ?? 0) + 1;
    this.#childRuns.set(jobId, run);
    return run;
  }
}

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
