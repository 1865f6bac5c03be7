/** Signals over real daemons: what was sent is taken once and in order, whatever is killed; and how a shell sends them. */
import { expect } from "bun:test";
import type { JobHandle } from "../../src/sdk/index.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { type StoreWorld, testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { RawWorker } from "../support/raw-worker.ts";
import { type CommandResult, runCommand } from "../support/run-command.ts";
import { type Random, seededRandom } from "../support/seeded-random.ts";
import { SignalTaker } from "../support/signal-taker.ts";

const FN = "raw:signals";
const SENDERS = 4;
const UNKNOWN_ID = "019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a";

function cli(world: E2eWorld, args: readonly string[], stdin?: string): Promise<CommandResult> {
  const command = [...reseolioCommand(), ...args, "--addr", world.daemon.address];
  return runCommand(command, stdin === undefined ? {} : { stdin });
}

/** A job that is parked for the signal, on a worker that stays. */
async function parked(world: E2eWorld, signalName: string): Promise<JobHandle> {
  const hello = { workerId: Bun.randomUUIDv7(), functionNames: [FN], concurrency: 1, ordered: true };
  const { worker } = await RawWorker.connect(world.daemon.address, hello);
  world.own(worker);
  const job = await world.client.enqueue(FN);
  const { leaseToken } = await worker.assigned(job.jobId);
  const waits = [{ name: "w", awaited: { case: "signalName" as const, value: signalName } }];
  await worker.report({
    ...{ jobId: job.jobId, leaseToken, durationUs: 1_000 },
    outcome: { case: "park", value: { waits, waitingNames: ["w"] } },
  });
  return job;
}

/** Signals of several senders to one job; each sends its next one when the last was answered. */
async function sendAll(job: JobHandle, perSender: number, pause: () => Promise<unknown>): Promise<void> {
  const senders = Array.from({ length: SENDERS }, async (_, sender) => {
    for (let count = 0; count < perSender; count++) {
      await pause();
      await job.signal("s", [sender, count]);
    }
  });
  await Promise.all(senders);
}

/** Each signal was taken once, and those of one sender in the order in which it sent them. */
function expectInOrder(taken: ReadonlyMap<number, string> | undefined, perSender: number): void {
  const inOrder = [...(taken ?? [])].sort(([left], [right]) => left - right).map(([, payload]) => payload);
  for (let sender = 0; sender < SENDERS; sender++) {
    const own = inOrder.filter((payload) => payload.startsWith(`[${sender},`));
    expect(own).toEqual(Array.from({ length: perSender }, (_, count) => JSON.stringify([sender, count])));
  }
  expect(inOrder).toHaveLength(SENDERS * perSender);
}

async function killUntil(isOver: () => boolean, world: StoreWorld, random: Random): Promise<number> {
  for (let kills = 0; ; kills++) {
    await Bun.sleep(random.between(100, 600));
    if (isOver() || kills === 6) return kills;
    await world.daemon.restart();
  }
}

testOnEachStore(
  "each signal of many senders is taken once and in order, none is lost, though daemon and worker are killed",
  async (store) => {
    const random = seededRandom(`signals under kills on ${store.kind}`);
    await using world = await store.createWorld(["--lease", "2s"]);
    const [jobs, perSender] = [5, 20];
    const { address } = world.daemon;
    const taker = new SignalTaker({
      ...{ address, functionName: FN, signalName: "s", perJob: SENDERS * perSender, jobs, random },
    });
    const options = { timeoutMs: 0, maxAttempts: 1 };
    const handles = await Promise.all(Array.from({ length: jobs }, () => world.client.enqueue(FN, [], options)));
    let isOver = false;
    const killing = killUntil(() => isOver, world, random);
    const taking = taker.run();
    await Promise.all(handles.map((job) => sendAll(job, perSender, () => Bun.sleep(random.between(0, 60)))));
    await taking;
    isOver = true;
    process.stderr.write(`signals [${store.kind}]: ${await killing} kills, ${taker.crashes} crashes of the worker\n`);
    for (const { jobId } of handles) expectInOrder(taker.taken.get(jobId), perSender);
    for (const job of handles) expect(await job.status()).toBe("success");
  },
  120_000,
);

testOnEachStore(
  "a signal is sent once though the network cuts answers, and to nobody when the job has ended",
  async (store) => {
    const random = seededRandom(`signals over a bad network on ${store.kind}`);
    await using world = await store.createWorld();
    const proxy = world.own(await startCuttingProxy(world.daemon.address, random));
    const client = await world.startClient({ address: proxy.address });
    const perSender = 40;
    const job = await client.enqueue(FN, [], { timeoutMs: 0 });
    proxy.set({ cutReplies: 0.2 });
    await sendAll(job, perSender, () => Promise.resolve());
    expect(proxy.cuts).toBeGreaterThan(5);
    proxy.set({});
    const { address } = world.daemon;
    const taker = new SignalTaker({
      ...{ address, functionName: FN, signalName: "s", perJob: SENDERS * perSender, jobs: 1, random },
    });
    await taker.run();
    expectInOrder(taker.taken.get(job.jobId), perSender);
    const late = await job.signal("s").catch((error: Error) => error);
    expect(late).toMatchObject({ code: "failed_precondition" });
    expect((late as Error).message).toContain("is SUCCESS: it accepts no more signals");
    const unknown = await client.signal(UNKNOWN_ID, "s").catch((error: Error) => error);
    expect(unknown).toMatchObject({ code: "not_found" });
    for (const call of [() => client.signal("nonsense", "s"), () => job.signal(""), () => client.deleteEvent("")]) {
      expect(await call().catch((error: Error) => error)).toMatchObject({ code: "invalid_argument" });
    }
    expect(await job.signal("s", 1n).catch((error: Error) => error)).toMatchObject({ code: "serialization" });
  },
  120_000,
);

testOnEachStore("jobs signal: a parked job gets it, the next one is kept; explain and get name it", async (store) => {
  await using world = await store.createWorld();
  const job = await parked(world, "approved");
  const { jobId } = job;
  const shown = await cli(world, ["jobs", "get", jobId]);
  expect(shown.stdout).toContain("waits for\tsignal approved");
  const json = JSON.parse((await cli(world, ["jobs", "get", jobId, "--json"])).stdout) as { waits: unknown[] };
  expect(json.waits).toMatchObject([{ kind: "signal", signalName: "approved", eventName: null }]);
  const misspelt = await cli(world, ["jobs", "signal", jobId, "aproved", "--payload", "1"]);
  expect({ stderr: misspelt.stderr, exitCode: misspelt.exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(misspelt.stdout).toContain("taken\tfalse");
  const { stdout } = await cli(world, ["jobs", "explain", jobId]);
  expect(stdout).toContain(
    'it is waiting for the signal "approved"; it has not awaited these signals yet: "aproved" (1)',
  );

  const signalId = Bun.randomUUIDv7();
  const words = ["jobs", "signal", jobId.slice(0, 18), "approved", "--payload", "-", "--signal-id", signalId];
  const sent = await cli(world, [...words, "--json"], '{"by": 12345678901234567890}\n');
  expect({ stderr: sent.stderr, exitCode: sent.exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(sent.stdout)).toEqual({ jobId, name: "approved", signalId, taken: true });
  expect(JSON.parse((await cli(world, [...words, "--json"], "2")).stdout)).toMatchObject({ taken: true });
  expect((await cli(world, ["jobs", "signal", jobId, "approved", "-q"])).stdout).toMatch(/^[0-9a-f-]{36}\n$/);
});

testOnEachStore("jobs signal and events delete refuse what cannot be, each with its exit code", async (store) => {
  await using world = await store.createWorld();
  const ended = await world.client.enqueue(FN);
  await ended.cancel();
  const live = await world.client.enqueue(FN);
  const cases: readonly (readonly [readonly string[], number, string])[] = [
    [["jobs", "signal", ended.jobId, "go"], 8, `job ${ended.jobId} is CANCELLED: it accepts no more signals`],
    [["jobs", "signal", UNKNOWN_ID, "go"], 3, "no job has the id"],
    [["jobs", "signal", "nonsense", "go"], 2, "not a valid job ID"],
    [["jobs", "signal", live.jobId, ""], 2, "the signal's name is empty"],
    [["jobs", "signal", live.jobId], 2, "NAME"],
    [["jobs", "signal", live.jobId, "go", "--payload", "{x}"], 2, "--payload is not valid JSON"],
    [["jobs", "signal", live.jobId, "go", "--payload", "@no-such-file.json"], 2, "cannot read no-such-file.json"],
    [["jobs", "signal", live.jobId, "go", "--signal-id", "7"], 2, "is not a lower-case version 7 UUID"],
    [["jobs", "signal", live.jobId, "go", "--payload", `"${"x".repeat(100_000)}"`], 0, ""],
    [["jobs", "signal", live.jobId, "x".repeat(257)], 2, "is 257 bytes long"],
    [["events", "delete", "packed:1"], 3, "event packed:1 was not emitted: there is nothing to delete"],
    [["events", "delete", ""], 2, "the event's name is empty"],
  ];
  for (const [words, exitCode, message] of cases) {
    const result = await cli(world, words);
    expect({ words, exitCode: result.exitCode }).toEqual({ words, exitCode });
    expect(result.stderr).toContain(message);
  }
});

testOnEachStore(
  "events delete: the next emission is the first again, from a shell and from a program",
  async (store) => {
    await using world = await store.createWorld();
    const emit = async () => JSON.parse((await cli(world, ["events", "emit", "packed:1", "--json"])).stdout) as object;
    expect(await emit()).toMatchObject({ created: true });
    const deleted = await cli(world, ["events", "delete", "packed:1", "--json"]);
    expect([deleted.exitCode, JSON.parse(deleted.stdout)]).toEqual([0, { name: "packed:1", deleted: true }]);
    expect(await emit()).toMatchObject({ created: true });
    expect(await world.client.deleteEvent("packed:1")).toBe(true);
    expect(await world.client.deleteEvent("packed:1")).toBe(false);
    expect((await cli(world, ["events", "get", "packed:1"])).exitCode).toBe(3);
  },
);
