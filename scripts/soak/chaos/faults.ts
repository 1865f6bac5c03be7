/** Injects the faults, each in a separate loop, until stopped. */
import postgres from "postgres";
import type { Random } from "../random.ts";
import type { Stage } from "./stage.ts";

/** The schedule of the faults, in milliseconds; the seed selects values from the ranges. */
export interface FaultPlan {
  /** How long all of it goes on. */
  readonly faultsMs: number;
  readonly terminateEveryMs: number;
  readonly serverStopsEveryMs: readonly [number, number];
  readonly serverDownMs: readonly [number, number];
  readonly killDaemonEveryMs: number;
  /** From the start of the faults. */
  readonly blackHoleAtMs: number;
  readonly blackHoleMs: number;
}

/** How often each fault happened. */
export interface FaultCounts {
  terminated: number;
  serverStops: number;
  daemonKills: number;
  blackHoleMs: number;
}

/** Resolves when the time is up and everything that was stopped is running or restarting. */
export async function injectFaults(
  stage: Stage,
  plan: FaultPlan,
  random: Random,
  progress: (text: string) => void,
): Promise<FaultCounts> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), plan.faultsMs);
  const injector = new Injector(stage, plan, random, over.signal, progress);
  try {
    await Promise.all([
      injector.terminateBackends(),
      injector.stopServer(),
      injector.killDaemons(),
      injector.pullCable(),
    ]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
  return injector.counts;
}

class Injector {
  readonly counts: FaultCounts = { terminated: 0, serverStops: 0, daemonKills: 0, blackHoleMs: 0 };
  #isServerUp = true;
  #isCablePulled = false;

  constructor(
    private readonly stage: Stage,
    private readonly plan: FaultPlan,
    private readonly random: Random,
    private readonly over: AbortSignal,
    private readonly progress: (text: string) => void,
  ) {}

  async terminateBackends(): Promise<void> {
    const sql = postgres(this.stage.server.url("postgres"), {
      ...{ max: 1, backoff: false, connect_timeout: 1, onnotice: () => {} },
      connection: { application_name: "chaos" },
    });
    while (await this.#pass(this.plan.terminateEveryMs)) {
      if (!this.#isServerUp) continue;
      try {
        const killed = await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'reseolio' order by random() limit 1`;
        this.counts.terminated += killed.length;
      } catch {
        // The server was stopped meanwhile.
      }
    }
    await sql.end({ timeout: 0 });
  }

  async stopServer(): Promise<void> {
    const { server } = this.stage;
    while (await this.#pass(this.random.between(...this.plan.serverStopsEveryMs))) {
      this.#isServerUp = false;
      await server.crash();
      const downMs = Math.round(this.random.between(...this.plan.serverDownMs));
      await this.#pass(downMs);
      await server.start();
      this.#isServerUp = true;
      this.counts.serverStops++;
      this.progress(`chaos: PostgreSQL was down for ${downMs} ms`);
    }
  }

  async killDaemons(): Promise<void> {
    while (await this.#pass(this.plan.killDaemonEveryMs)) {
      // A daemon that has lost its database must find it again within the same process.
      const victims = this.#isCablePulled ? this.stage.daemons.slice(0, -1) : this.stage.daemons;
      const victim = this.random.pick(victims);
      victim.kill();
      this.counts.daemonKills++;
      this.progress(`chaos: the daemon at ${victim.address} was killed`);
    }
  }

  async pullCable(): Promise<void> {
    if (!(await this.#pass(this.plan.blackHoleAtMs))) return;
    const pulledAt = performance.now();
    this.#isCablePulled = true;
    this.stage.network.set({ isBlackHole: true });
    this.progress("chaos: the network of the last daemon carries nothing any more");
    await this.#pass(this.plan.blackHoleMs);
    this.stage.network.set({});
    this.#isCablePulled = false;
    this.counts.blackHoleMs = Math.round(performance.now() - pulledAt);
    this.progress("chaos: it does again");
  }

  /** Waits; false when the faults are over. */
  #pass(ms: number): Promise<boolean> {
    if (this.over.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (goesOn: boolean): void => {
        clearTimeout(timer);
        this.over.removeEventListener("abort", onOver);
        resolve(goesOn);
      };
      const onOver = (): void => end(false);
      const timer = setTimeout(() => end(true), ms);
      this.over.addEventListener("abort", onOver);
    });
  }
}
