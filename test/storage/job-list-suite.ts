/** How a store lists jobs: by every filter, on pages of any size. */
import { expect, test } from "bun:test";
import type { JobFilter } from "../../src/daemon/storage/seam/jobs.ts";
import {
  claim,
  enqueue,
  failed,
  finished,
  happen,
  type JobInput,
  type MakeStore,
  newJobId,
  read,
  stored,
  type StoreWorld,
  succeeded,
} from "./store-world.ts";

const PARENT = "0192f0c1-2345-7000-8000-00000000abcd";

export function listTests(makeStore: MakeStore): void {
  /** Some of everything: functions, states, keys, parents, times. */
  async function filled(world: StoreWorld): Promise<readonly string[]> {
    const ids: string[] = [];
    for (let index = 0; index < 60; index++) {
      const functionName = `list:${index % 3}`;
      const input: JobInput = {
        functionName,
        ...(index % 4 === 0 ? { idempotencyKey: `key-${index >> 3}` } : {}),
        ...(index % 5 === 0 ? { parentId: PARENT } : {}),
        maxAttempts: 1,
      };
      const events = [succeeded(), failed(), { kind: "cancel", reason: "cancelled" } as const];
      const [outcome] = await enqueue(world, input);
      if (outcome!.kind !== "stored") continue;
      ids.push(outcome!.jobId);
      if (index % 2 === 0) {
        const [job] = await claim(world, 1, [functionName]);
        if (index % 8 !== 0) await happen(world, job!, events[index % 3]!);
      }
      world.clock.advance(7);
    }
    return ids;
  }

  async function pages(world: StoreWorld, filter: JobFilter, limit: number): Promise<readonly string[]> {
    const ids: string[] = [];
    let before: string | null = null;
    for (let page = 0; page < 1000; page++) {
      const { jobs, next } = await world.store.jobs.list({ filter, limit, before });
      expect(jobs.length).toBeLessThanOrEqual(limit);
      ids.push(...jobs.map((job) => job.jobId));
      if (next === null) return ids;
      before = next;
    }
    throw new Error("the pages do not end");
  }

  const start = Date.UTC(2026, 0, 1);
  const filters: Readonly<Record<string, (ids: readonly string[]) => JobFilter>> = {
    everything: () => ({}),
    "one state": () => ({ states: ["SUCCESS"] }),
    "several states": () => ({ states: ["DEAD", "CANCELLED", "RUNNING", "DEAD"] }),
    "a state without jobs": () => ({ states: ["SUSPENDED"] }),
    "one function": () => ({ functionNames: ["list:1"] }),
    "several functions, one unknown": () => ({ functionNames: ["list:2", "list:0", "list:9", "list:2"] }),
    "a function and a state": () => ({ functionNames: ["list:0"], states: ["PENDING"] }),
    "a key": () => ({ idempotencyKey: "key-4" }),
    "a key of a function": () => ({ idempotencyKey: "key-4", functionNames: ["list:1"] }),
    "an unknown key": () => ({ idempotencyKey: "none" }),
    "a parent": () => ({ parentId: PARENT }),
    "a parent and a state": () => ({ parentId: PARENT, states: ["SUCCESS", "PENDING"] }),
    "an unknown parent": () => ({ parentId: "0192f0c1-2345-7000-8000-00000000ffff" }),
    ids: (ids) => ({ jobIds: [ids[7]!, ids[3]!, ids[30]!, ids[7]!, "0192f0c1-2345-7000-8000-00000000ffff", "no id"] }),
    "ids of a function": (ids) => ({ jobIds: ids.slice(5, 25), functionNames: ["list:1"] }),
    "a time and later": () => ({ createdAfter: start + 140 }),
    "before a time": () => ({ createdBefore: start + 140 }),
    "a span and a state": () => ({ createdAfter: start + 70, createdBefore: start + 350, states: ["PENDING"] }),
  };

  for (const [what, makeFilter] of Object.entries(filters)) {
    test(`by ${what}: newest first, each matching job once, on pages of any size`, async () => {
      await using world = await makeStore();
      const ids = await filled(world);
      const jobs = await world.store.jobs.getMany(ids);
      const filter = makeFilter(ids);
      const expected = jobs
        .filter((job) => matches(job, filter))
        .map((job) => job.jobId)
        .sort()
        .reverse();
      for (const limit of [1, 3, 50, 1000]) expect(await pages(world, filter, limit)).toEqual(expected);
    });
  }

  function matches(job: Awaited<ReturnType<typeof read>>, filter: JobFilter): boolean {
    return (
      (filter.jobIds === undefined || filter.jobIds.includes(job.jobId)) &&
      (filter.states === undefined || filter.states.includes(job.state)) &&
      (filter.functionNames === undefined || filter.functionNames.includes(job.functionName)) &&
      (filter.idempotencyKey === undefined || filter.idempotencyKey === job.idempotencyKey) &&
      (filter.parentId === undefined || filter.parentId === job.parentId) &&
      (filter.createdAfter === undefined || job.createdAt >= filter.createdAfter) &&
      (filter.createdBefore === undefined || job.createdAt < filter.createdBefore)
    );
  }

  test("a listed job has everything but args, result and headers", async () => {
    await using world = await makeStore();
    const jobId = await finished(world, {
      args: "[1]",
      headers: { a: "b" },
      idempotencyKey: "k",
      parentId: newJobId(3),
    });
    const { jobs } = await world.store.jobs.list({ filter: {}, limit: 5, before: null });
    const whole = await read(world, jobId);
    expect(jobs).toEqual([{ ...whole, args: new Uint8Array(0), result: null, headers: {} }]);
  });

  test("ids from callers with wrong clocks are still found by the time at which they were stored", async () => {
    await using world = await makeStore();
    const now = world.clock.now();
    const wrong = [0, now - 3 * 86_400_000, now + 30 * 86_400_000, 2 ** 48 - 1].map((at) => newJobId(at));
    await enqueue(world, ...wrong.map((jobId) => ({ jobId })));
    world.clock.advance(1000);
    await stored(world);
    const found = await pages(world, { createdAfter: now, createdBefore: now + 1 }, 2);
    expect([...found].sort()).toEqual([...wrong].sort());
  });

  test("no filter looks at more rows than one call may, and the pages still reach every match", async () => {
    await using world = await makeStore();
    const rare = await stored(world);
    world.clock.advance(10);
    for (let batch = 0; batch < 13; batch++) await enqueue(world, ...Array.from({ length: 1000 }, () => ({})));
    const filter = { createdBefore: world.clock.now() };
    const first = await world.store.jobs.list({ filter, limit: 10, before: null });
    expect(first).toMatchObject({ jobs: [] });
    expect(first.next).not.toBeNull();
    expect(await pages(world, filter, 10)).toEqual([rare]);
  });
}
