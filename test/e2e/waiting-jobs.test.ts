/** What the command line says of jobs that wait, and of the events that they wait for. */
import { expect } from "bun:test";
import { context, type Reseolio } from "../../src/sdk/index.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { type CommandResult, runCommand } from "../support/run-command.ts";

function cli(world: E2eWorld, args: readonly string[], stdin?: string): Promise<CommandResult> {
  const command = [...reseolioCommand(), ...args, "--addr", world.daemon.address];
  return runCommand(command, stdin === undefined ? {} : { stdin });
}

/** Its JSON; exit code 0 expected. */
async function json(world: E2eWorld, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr, exitCode } = await cli(world, [...args, "--json"]);
  if (exitCode !== 0) throw new Error(`reseolio ${args.join(" ")}: exit code ${exitCode}\n${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function untilSuspended(client: Reseolio, jobId: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while ((await client.handle(jobId).status()) !== "suspended") {
    if (performance.now() > deadline) throw new Error(`job ${jobId} does not park`);
    await Bun.sleep(20);
  }
}

async function blockersOf(world: E2eWorld, jobId: string): Promise<readonly string[]> {
  const { blockers } = await json(world, "jobs", "explain", jobId);
  return (blockers as { kind: string; message: string }[]).map(({ kind, message }) => `${kind}: ${message}`);
}

testOnEachStore("events emit and get: the first payload is kept, and waiting jobs get it", async (store) => {
  await using world = await store.createWorld();
  const app = await world.startClient({ workerConcurrency: 1 });
  const wait = app.durable("demo:wait", (name: string) => context().awaitEvent(name));
  const job = await wait("packed:1");
  await untilSuspended(world.client, job.jobId);

  const missing = await cli(world, ["events", "get", "packed:1"]);
  expect(missing).toMatchObject({ stdout: "", exitCode: 3 });
  expect(missing.stderr).toContain("event packed:1 was not emitted; 1 job is waiting for it");

  const emitted = await cli(
    world,
    ["events", "emit", "packed:1", "--payload", "-", "--json"],
    '{"parcel": 12345678901234567890}\n',
  );
  expect({ stderr: emitted.stderr, exitCode: emitted.exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(emitted.stdout).toContain("12345678901234567890");
  expect(JSON.parse(emitted.stdout)).toMatchObject({ name: "packed:1", created: true, woken: 1 });
  expect(Object.keys((await job.result(10_000)) as object)).toEqual(["parcel"]);

  const again = await cli(world, ["events", "emit", "packed:1", "--payload", '"late"']);
  expect(again.exitCode).toBe(0);
  expect(again.stderr).toContain("was already emitted: its first payload is kept");
  expect(again.stdout).toContain("created\tfalse");
  expect(await json(world, "events", "emit", "packed:1")).toMatchObject({ created: false, woken: 0 });
  expect(await json(world, "events", "get", "packed:1")).toMatchObject({ name: "packed:1" });
  const sheet = await cli(world, ["events", "get", "packed:1"]);
  expect(sheet.stdout).toContain('payload\t{"parcel": 12345678901234567890}');
  expect((await cli(world, ["events", "get", "packed:1", "-q"])).stdout).toBe("packed:1\n");
});

testOnEachStore("events refuse what is no event before they call anybody", async (store) => {
  await using world = await store.createWorld();
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["events", "emit", ""], "the event's name is empty"],
    [["events", "emit", "x", "--payload", "{"], "--payload is not valid JSON"],
    [["events", "emit", "x", "--payload", "@missing.json"], "cannot read missing.json"],
    [["events", "emit"], "missing argument NAME"],
    [["events", "emit", "x".repeat(300)], "name"],
  ];
  for (const [args, said] of cases) {
    const { stderr, exitCode } = await cli(world, args);
    expect({ args, exitCode }).toEqual({ args, exitCode: 2 });
    expect(stderr).toContain(said);
  }
  expect((await cli(world, ["events", "emit", "x", "--addr", "127.0.0.1:1"])).exitCode).toBe(2);
});

testOnEachStore("jobs explain and jobs get name what a job is parked on", async (store) => {
  await using world = await store.createWorld();
  const app = await world.startClient({ workerConcurrency: 1 });
  const sleeper = app.durable("demo:sleeper", () => context().sleepFor("a day", 86_400_000));
  const waiter = app.durable("demo:waiter", () => context().awaitEvent("go", { timeoutMs: 3_600_000 }));
  const parent = app.durable("demo:parent", async () => {
    const child = await app.enqueue("demo:nobody");
    return child.result();
  });
  const [asleep, waiting, above] = [await sleeper(), await waiter(), await parent()];
  for (const { jobId } of [asleep, waiting, above]) await untilSuspended(world.client, jobId);

  expect(await blockersOf(world, asleep.jobId)).toEqual([
    expect.stringMatching(/^parked: it is sleeping until \d{4}-.*Z \("a day"\)$/),
  ]);
  expect(await blockersOf(world, waiting.jobId)).toEqual([
    expect.stringMatching(/^parked: it is waiting for the event "go" until \d{4}-.*Z$/),
  ]);
  expect(await blockersOf(world, above.jobId)).toEqual([
    expect.stringMatching(
      /^parked: it is waiting for the end of job [0-9a-f-]{36} of demo:nobody, which is PENDING \(no connected worker serves demo:nobody; .*\)$/,
    ),
  ]);

  expect((await json(world, "jobs", "get", asleep.jobId))["waits"]).toMatchObject([{ name: "a day", kind: "sleep" }]);
  expect((await json(world, "jobs", "get", waiting.jobId))["waits"]).toMatchObject([
    { kind: "event", eventName: "go" },
  ]);
  const tree = await json(world, "jobs", "get", above.jobId, "--tree");
  expect(tree).toMatchObject({ state: "SUSPENDED", children: [{ functionName: "demo:nobody", state: "PENDING" }] });

  await world.client.emitEvent("go", 1);
  await waiting.result(10_000);
  expect((await json(world, "jobs", "get", waiting.jobId))["checkpoints"]).toMatchObject([
    { name: "go", kind: "event", timedOut: false },
  ]);
  expect(await blockersOf(world, waiting.jobId)).toEqual([]);
});
