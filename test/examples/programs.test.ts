/** Each program in examples/ does what it says, on both stores. */
import { expect } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import type { JobStatus, Reseolio } from "../../src/sdk/index.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { freePort } from "../support/free-port.ts";
import { runExample, startExample } from "../support/run-example.ts";
import type { SpawnedDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

/** What a program printed; it has to end well. */
async function printed(name: string, args: readonly string[], daemon: SpawnedDaemon, cwd: string): Promise<string[]> {
  const { stdout, stderr, exitCode } = await runExample(name, args, daemon, cwd);
  if (exitCode !== 0) throw new Error(`${name} ended with exit code ${exitCode}\n${stdout}${stderr}`);
  return stdout.trimEnd().split("\n");
}

testOnEachStore(
  "fire-and-forget: the answer does not wait for the mail, and a killed server still sends it",
  async (store) => {
    await using world = await store.createWorld();
    const port = await freePort();
    const signUp = async (address: string) =>
      (await fetch(`http://127.0.0.1:${port}/accounts/${address}`, { method: "POST" })).status;
    const env = { PORT: String(port) };
    {
      await using server = startExample("fire-and-forget", world.daemon, env);
      await server.said("ready");
      expect(await signUp("ada@example.com")).toBe(202);
      await server.said("to ada@example.com: Good to have you here");
      expect(await signUp("ada@example.com")).toBe(202);
      await server.signal("SIGKILL");
    }
    // Stored while nobody runs it.
    const key = { idempotencyKey: "bob@example.com" };
    await world.client.enqueue("accounts:mail:welcome", ["bob@example.com"], key);
    await using server = startExample("fire-and-forget", world.daemon, env);
    await server.said("to bob@example.com: Good to have you here");
    expect(await signUp("bob@example.com")).toBe(202);
    expect(await signUp("%E2%82%AC")).toBe(202);
    await server.said("to €: Good to have you here");
    expect(server.lines).toHaveLength(3);
  },
);

testOnEachStore(
  "await-result: prints where the report is, and the second time does not make it again",
  async (store) => {
    await using world = await store.createWorld();
    await using dir = await tempDir("reseolio-example-");
    await writeFile(dir.file("sales.csv"), "north,2\nsouth,3\n");
    expect(await printed("await-result", ["sales"], world.daemon, dir.path)).toEqual(["sales.txt: 2 rows, total 5"]);
    expect(await readFile(dir.file("sales.txt"), "utf8")).toBe("north,2\nsouth,3\ntotal,5\n");
    await writeFile(dir.file("sales.csv"), "north,9\n");
    expect(await printed("await-result", ["sales"], world.daemon, dir.path)).toEqual(["sales.txt: 2 rows, total 5"]);
  },
);

testOnEachStore(
  "saga: ships what it can, undoes the rest in reverse, and a second run finds it done",
  async (store) => {
    await using world = await store.createWorld();
    const first = await printed("saga", ["order-1", "too-large-2"], world.daemon, "/tmp");
    expect(first).toEqual([
      "charged order-1",
      "reserved order-1",
      "shipped order-1",
      "confirmed order-1",
      `order-1: {"status":"shipped","label":"label-of-order-1"}`,
      "charged too-large-2",
      "reserved too-large-2",
      "released goods-of-too-large-2",
      "refunded payment-of-too-large-2",
      expect.stringMatching(/^too-large-2: .*no carrier takes it$/),
    ]);
    const second = await printed("saga", ["order-1", "too-large-2"], world.daemon, "/tmp");
    expect(second).toEqual([first.find((line) => line.startsWith("order-1:"))!, first.at(-1)!]);
  },
);

testOnEachStore("fan-out: makes every size of every image", async (store) => {
  await using world = await store.createWorld();
  expect(await printed("fan-out", ["cat.png", "dog.png"], world.daemon, "/tmp")).toEqual([
    "small/cat.png medium/cat.png large/cat.png",
    "small/dog.png medium/dog.png large/dog.png",
  ]);
});

testOnEachStore("batch: what fails for good does not hold up the others", async (store) => {
  await using world = await store.createWorld();
  expect(await printed("batch", ["nightly"], world.daemon, "/tmp")).toEqual(["49 succeeded; failed: item-13"]);
});

testOnEachStore(
  "daily-report: one report for each tick, also for those while nobody was there to make it",
  async (store) => {
    await using world = await store.createWorld();
    const reports: string[] = [];
    const make = async (untilTick: number): Promise<void> => {
      await using program = startExample("daily-report", world.daemon, { CRON: "* * * * * *" });
      await program.said("ready");
      while (!program.lines.some((line) => tickOf(line) >= untilTick)) await Bun.sleep(50);
      await program.signal("SIGKILL");
      reports.push(...program.lines.filter((line) => line.startsWith("eu ")));
    };
    await make(Date.now() + 1_000);
    const killedAt = Date.now();
    // Ticks go on without it.
    await Bun.sleep(2_500);
    await make(killedAt + 3_000);
    const ticks = [...new Set(reports.map(tickOf))].sort((left, right) => left - right);
    const [first = 0] = ticks;
    expect(ticks).toEqual(ticks.map((_, index) => first + index * 1_000));
    expect(ticks.length).toBeGreaterThanOrEqual(4);
    const { schedules, total } = await world.client.listSchedules();
    expect([total, schedules[0]?.name, schedules[0]?.skipped]).toEqual([1, "daily-report-eu", 0]);
    // Only what was under way when the program was killed may have been made twice.
    expect(reports.length - ticks.length).toBeLessThanOrEqual(2);
  },
);

/** Milliseconds of a report's tick; NaN for any other line. */
function tickOf(line: string): number {
  return Date.parse(line.replace(/^eu /, ""));
}

testOnEachStore(
  "orders: killed in the middle and started again, an order goes on, waits for its event and is shipped",
  async (store) => {
    await using world = await store.createWorld();
    const order = { COOL_OFF_MS: "300" };
    const args = ["place", "order-1", "1999"];
    {
      await using place = startExample("orders", world.daemon, order, args);
      await place.said("charged 1999 cents for order-1");
      await untilStatus(world.client, "shop:orders:place", "suspended");
      await place.signal("SIGKILL");
    }
    expect(await printed("orders", ["packed", "order-1", "small-box"], world.daemon, "/tmp")).toContain("thank you");
    await using again = startExample("orders", world.daemon, order, args);
    await again.said('{"status":"shipped","tracking":"track-order-1"}');
    expect(await printed("orders", ["packed", "order-1", "crate"], world.daemon, "/tmp")).toEqual([
      "somebody said so before",
    ]);
    expect(again.lines).not.toContain("charged 1999 cents for order-1");
  },
);

testOnEachStore("onboarding: sets a user up and sends the mails of three days", async (store) => {
  await using world = await store.createWorld();
  const { stdout, stderr, exitCode } = await runExample("onboarding", ["ada"], world.daemon, "/tmp", { DAY_MS: "150" });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toContain('ada: {"workspaceId":"workspace-of-ada","bucket":"bucket-of-workspace-of-ada"}');
  expect(lines.filter((line) => line.startsWith("to "))).toEqual([
    "to ada: welcome",
    "to ada: tips-of-the-first-day",
    "to ada: tips-of-the-third-day",
  ]);
});

async function untilStatus(client: Reseolio, name: string, status: JobStatus): Promise<void> {
  const deadline = performance.now() + 20_000;
  while ((await client.listJobs({ name, status })).jobs.length === 0) {
    if (performance.now() > deadline) throw new Error(`no job of ${name} is ${status}`);
    await Bun.sleep(20);
  }
}
