/** An engine with its watch over schedules on a store of either kind, whose time a test moves. */
import type { DaemonError } from "../../src/daemon/core/errors.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { ScheduleSpecInput } from "../../src/daemon/core/schedule-spec.ts";
import { createEngine } from "../../src/daemon/engine/create-engine.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { createSchedule } from "../../src/daemon/engine/schedules/create-schedule.ts";
import { fireSchedules } from "../../src/daemon/engine/schedules/fire-schedules.ts";
import { getSchedule } from "../../src/daemon/engine/schedules/read-schedules.ts";
import type { StoreWorld } from "./store-world.ts";
import { claim, FUNCTION, happen, type MakeStore, succeeded } from "./store-world.ts";

export const NAME = "nightly";

export class ScheduleWorld implements AsyncDisposable {
  readonly world: StoreWorld;
  engine: Engine;

  constructor(world: StoreWorld) {
    this.world = world;
    this.engine = openEngine(world);
  }

  /** One that is made with this schedule, and has looked once. */
  static async with(makeStore: MakeStore, input: ScheduleSpecInput = {}): Promise<ScheduleWorld> {
    const made = new ScheduleWorld(await makeStore());
    await made.look();
    await made.create(input);
    return made;
  }

  get now(): number {
    return this.world.clock.now();
  }

  async create(input: ScheduleSpecInput = {}, name = NAME) {
    return createSchedule(this.engine, name, { cron: "* * * * * *", functionName: FUNCTION, ...input });
  }

  get(name = NAME) {
    return getSchedule(this.engine, name);
  }

  /** What the runner does at each look. */
  async look(): Promise<void> {
    const { now, nextRunAt } = await this.world.store.schedules.nextTick();
    this.engine.schedules.observe(now);
    if (nextRunAt !== null && nextRunAt <= now) await fireSchedules(this.engine);
  }

  /** Time that passes while the daemon is there, second by second. */
  async run(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.world.clock.advance(1_000);
      await this.look();
    }
  }

  /** Time that passes while no daemon is there; then one starts and looks. */
  async stopFor(seconds: number): Promise<void> {
    await this.engine.lane.close();
    this.world.clock.advance(seconds * 1_000);
    this.engine = openEngine(this.world);
    await this.look();
  }

  /** Ticks that have a job, as seconds since a time, oldest first. */
  async ticks(since: number, name = NAME): Promise<readonly number[]> {
    const times = await this.tickTimes(name);
    return times.map((at) => (at - since) / 1_000);
  }

  async tickTimes(name = NAME): Promise<readonly number[]> {
    const jobs = await this.jobs(name);
    const ticks = await this.world.store.schedules.listTicks(jobs.map((job) => job.jobId));
    return [...ticks.values()].flatMap(({ tickAt }) => tickAt ?? []).sort((left, right) => left - right);
  }

  /** All jobs of schedules of a name. */
  async jobs(name = NAME): Promise<readonly Job[]> {
    const jobs: Job[] = [];
    for (let before: string | null = null; ;) {
      const page = await this.world.store.jobs.list({ filter: { scheduleName: name }, limit: 100, before });
      jobs.push(...page.jobs);
      if (page.next === null) return jobs;
      before = page.next;
    }
  }

  /** Runs all jobs that wait. Returns how many. */
  async work(): Promise<number> {
    const claimed = await claim(this.world, 1_000);
    for (const job of claimed) await happen(this.world, job, succeeded());
    return claimed.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.lane.close();
    await this.world[Symbol.asyncDispose]();
  }
}

function openEngine({ store, clock }: StoreWorld): Engine {
  return createEngine({
    store,
    clock,
    random: () => 0.5,
    newJobId: () => Bun.randomUUIDv7(),
    settings: { nodeId: "node", leaseMs: 15_000, maxConcurrent: 0, maxLosses: 10 },
    onDeadline: () => {},
    onFatal: (error: DaemonError) => {
      throw error;
    },
  });
}
