/** The leadership among daemons on one database. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import { LeaderLoop } from "../../src/daemon/loops/leader.ts";
import { createPostgresStore } from "../../src/daemon/storage/postgres/postgres-store.ts";
import type { Leadership } from "../../src/daemon/storage/seam/cluster.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { postgresWorld } from "../support/postgres-world.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

const LEASE_MS = 10_000;

test("one leads; another follows when the time is over, or at once when it resigns; each change is a new term", async () => {
  await using world = await postgresWorld(database);
  const { store, clock } = world;
  const held = await store.cluster.lead("one", LEASE_MS, null);
  expect(held).toMatchObject({ nodeId: "one", term: 1 });
  expect(await store.cluster.lead("two", LEASE_MS, null)).toEqual(held);
  clock.advance(LEASE_MS);
  expect(await store.cluster.lead("two", LEASE_MS, null)).toMatchObject({ nodeId: "two", term: 2 });
  expect(await store.cluster.lead("one", LEASE_MS, null)).toMatchObject({ nodeId: "two", term: 2 });
  await store.cluster.resign("one");
  expect(await store.cluster.lead("one", LEASE_MS, null)).toMatchObject({ nodeId: "two", term: 2 });
  await store.cluster.resign("two");
  expect(await store.cluster.lead("one", LEASE_MS, null)).toMatchObject({ nodeId: "one", term: 3 });
});

test("who comes back after its time was over leads by a new term", async () => {
  await using world = await postgresWorld(database);
  await world.store.cluster.lead("one", LEASE_MS, null);
  world.clock.advance(LEASE_MS + 1);
  expect(await world.store.cluster.lead("one", LEASE_MS, null)).toMatchObject({ nodeId: "one", term: 2 });
});

test("a server's clock that was set back does not keep a dead leader: what was watched for a lease is free", async () => {
  await using world = await postgresWorld(database);
  const held = await world.store.cluster.lead("one", LEASE_MS, null);
  world.clock.jumpTo(world.clock.now() - 3_600_000);
  expect(await world.store.cluster.lead("two", LEASE_MS, { ...held, expiresAt: held.expiresAt - 1 })).toEqual(held);
  expect(await world.store.cluster.lead("two", LEASE_MS, held)).toMatchObject({ nodeId: "two", term: 2 });
});

test("of ten daemons that ask at once one leads", async () => {
  await using world = await postgresWorld(database);
  const others = await Promise.all(
    Array.from({ length: 9 }, () => createPostgresStore({ url: world.url, readers: 1 })),
  );
  for (let round = 1; round <= 25; round++) {
    const answers = await Promise.all(
      [world.store, ...others].map((store, place) => store.cluster.lead(`node-${place}`, LEASE_MS, null)),
    );
    const winners = answers.filter(({ nodeId }, place) => nodeId === `node-${place}`);
    expect(winners).toHaveLength(1);
    expect(winners[0]!.term).toBe(round);
    await world.store.cluster.resign(winners[0]!.nodeId);
  }
  await Promise.all(others.map((store) => store.close()));
});

describe("the loop", () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} } as never;
  const leaseMs = 600;

  function loopOn(cluster: Pick<Store["cluster"], "lead" | "resign">, nodeId: string, lease = leaseMs): LeaderLoop {
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    return new LeaderLoop(
      { store: { cluster }, clock, settings: { nodeId, leaseMs: lease } } as unknown as Engine,
      quiet,
    );
  }

  async function until(isTrue: () => boolean, withinMs: number): Promise<number> {
    const since = performance.now();
    while (!isTrue()) {
      if (performance.now() - since > withinMs) throw new Error(`not within ${withinMs} ms`);
      await Bun.sleep(5);
    }
    return performance.now() - since;
  }

  test("a leader whose question hangs no longer believes in itself before another may lead, and another follows", async () => {
    await using world = await postgresWorld(database);
    const real = await createPostgresStore({ url: world.url, readers: 1 });
    let isHanging = false;
    const hang = Promise.withResolvers<Leadership>();
    const cluster = {
      lead: (...args: Parameters<Store["cluster"]["lead"]>) => (isHanging ? hang.promise : real.cluster.lead(...args)),
      resign: async () => {},
    };
    const [first, second] = [loopOn(cluster, "one"), loopOn(real.cluster, "two")];
    first.start();
    await until(() => first.isLeading, 5_000);
    second.start();
    isHanging = true;
    const both: boolean[] = [];
    await until(() => {
      both.push(first.isLeading && second.isLeading);
      return second.isLeading;
    }, leaseMs + 2_000);
    expect(both).not.toContain(true);
    hang.resolve({ nodeId: "two", term: 2, expiresAt: 0 });
    await first.stop();
    expect(first.isLeading).toBe(false);
    await second.stop();
    await real.close();
  }, 30_000);

  test("a leader that stops is followed at once", async () => {
    await using world = await postgresWorld(database);
    const real = await createPostgresStore({ url: world.url, readers: 1 });
    const lease = 10_000;
    const [first, second] = [loopOn(real.cluster, "one", lease), loopOn(real.cluster, "two", lease)];
    first.start();
    await until(() => first.isLeading, 5_000);
    second.start();
    await first.stop();
    expect(await until(() => second.isLeading, lease)).toBeLessThan(lease / 2);
    await second.stop();
    await real.close();
  }, 30_000);
});
