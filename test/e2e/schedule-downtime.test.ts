/** What schedules do about the ticks that no daemon was there for. */
import { expect } from "bun:test";
import { type StoreWorld, testOnEachStore } from "../support/each-store.ts";

const SECOND = 1_000;
const DOWN_MS = 10 * SECOND;

/** Times of the ticks that have a job, in seconds, oldest first; a tick with two jobs is there twice. */
async function ticksOf({ client }: StoreWorld, schedule: string): Promise<number[]> {
  const { jobs } = await client.listJobs({ schedule, limit: 1_000 });
  return jobs.map((job) => (job.scheduledAt?.getTime() ?? NaN) / SECOND).sort((left, right) => left - right);
}

async function untilTicked(world: StoreWorld, name: string, count: number): Promise<void> {
  for (;;) {
    if ((await ticksOf(world, name)).length >= count) return;
    await Bun.sleep(50);
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

testOnEachStore(
  "P15: a daemon that was killed over ten ticks does what each policy says, and no tick twice",
  async (store) => {
    await using world = await store.createWorld();
    const { client, daemon } = world;
    for (const catchUp of ["none", "latest", "all"] as const) {
      await client.createSchedule("e2e:tick", { name: catchUp, cron: "* * * * * *", catchUp });
    }
    await untilTicked(world, "all", 2);
    await daemon.kill();
    const killedAt = Math.floor(Date.now() / SECOND);
    await Bun.sleep(DOWN_MS);
    await daemon.restart();
    await untilTicked(world, "none", (await ticksOf(world, "none")).length + 2);
    for (const name of ["none", "latest", "all"]) await client.pauseSchedule(name);
    const [none, latest, all] = [
      await ticksOf(world, "none"),
      await ticksOf(world, "latest"),
      await ticksOf(world, "all"),
    ];

    expect(all).toEqual(range(all[0]!, all.at(-1)!));
    expect(all.at(-1)! - all[0]!).toBeGreaterThan(11);
    // The first tick with a running daemon; on PostgreSQL 5 s earlier, since another daemon may have been running.
    const watchedFrom = none.find((at) => at > killedAt + 1)!;
    const afterKill = (ticks: number[]) => ticks.filter((at) => at > killedAt + 1);
    expect(afterKill(none)).toEqual(range(watchedFrom, none.at(-1)!));
    if (store.kind === "sqlite") {
      expect(watchedFrom).toBeGreaterThanOrEqual(killedAt + 10);
      expect(afterKill(latest)).toEqual(range(watchedFrom - 1, latest.at(-1)!));
    } else {
      expect(watchedFrom).toBeGreaterThanOrEqual(killedAt + 5);
      expect(afterKill(latest)).toEqual(range(watchedFrom, latest.at(-1)!));
    }
  },
  90_000,
);
