/** Each program in examples/ does what it says, as a user would run it: with the package installed, on Node and Bun. */
import { beforeAll, describe, expect, test } from "bun:test";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { checkout } from "../support/executable.ts";
import { installedModules, typeFaults, withoutTypes } from "./installed-sdk.ts";
import { readDocument } from "./read-document.ts";
import { type Answer, type Receiver, startReceiver } from "./receiver.ts";
import { capture, createWorld, type World } from "./world.ts";

const webhooks = readDocument("examples/webhooks/deliver-webhooks.ts");
const runtimes = [
  ["Bun", `${process.execPath} deliver-webhooks.ts`],
  ["Node", "node deliver-webhooks.mjs"],
] as const;

let modules = "";

beforeAll(async () => {
  modules = await installedModules();
}, 300_000);

describe("examples/webhooks", () => {
  test("has no faults in its types", async () => {
    await using world = await createWorld(modules);
    await world.write("deliver-webhooks.ts", webhooks);
    await world.write("package.json", '{ "private": true, "type": "module" }');
    expect(await typeFaults(world.path, "deliver-webhooks.ts")).toBe("");
  }, 60_000);

  for (const [runtime, command] of runtimes) {
    test(`on ${runtime}: retries, waits when asked to, gives up when refused, and delivers nothing twice`, async () => {
      await using receiver = await startReceiver(moods);
      await using world = await webhookWorld();
      const run = `${command} ${receiver.url} paid busy gone || echo "exit code $?"`;

      expect(await printed(world, run)).toEqual(EXPECTED);
      expect(count(receiver, "paid")).toBe(3);
      expect(count(receiver, "gone")).toBe(1);
      const [first, second] = receiver.received.filter((one) => one.text.includes("busy"));
      expect(second!.at - first!.at).toBeGreaterThanOrEqual(1_000);
      expect(new Set(receiver.received.map((one) => one.key)).size).toBe(3);

      // The same events again, after a restart of the program: the jobs are there.
      expect(await printed(world, run)).toEqual(EXPECTED);
      expect(receiver.received).toHaveLength(6);
    }, 90_000);
  }

  test("P1: killed -9 with its daemon in the middle of the retries and started again, it delivers each webhook once", async () => {
    await using receiver = await startReceiver((_text, before) => ({ status: before < 3 ? 503 : 200 }));
    await using world = await webhookWorld();
    const command = `${process.execPath} deliver-webhooks.ts ${receiver.url} one two`;
    const killed = world.runScript(`${command} & wait`);
    await receiver.waitFor(4);
    world.killAll();
    await killed;

    const lines = await printed(world, command);
    expect(lines.map((line) => line.replace(/\d+$/, "N")).sort()).toEqual([
      "one: 200 at attempt N",
      "two: 200 at attempt N",
    ]);
    // Three refusals and one delivery, under one key, whatever was killed in between.
    expect([count(receiver, "one"), count(receiver, "two")]).toEqual([4, 4]);
    expect(new Set(receiver.received.map((one) => one.key)).size).toBe(2);
  }, 90_000);

  test("SIGTERM stops it; the deliveries that are left go on at the next start", async () => {
    await using receiver = await startReceiver((_text, before) => ({ status: before < 2 ? 503 : 200 }));
    await using world = await webhookWorld();
    const command = `${process.execPath} deliver-webhooks.ts ${receiver.url} late`;
    const stopped = world.runScript(capture("stopped", `${command} & echo $! >pid; wait $! || echo "exit code $?"`));
    await receiver.waitFor(1);
    process.kill(Number(await Bun.file(join(world.path, "pid")).text()), "SIGTERM");
    expect(await stopped).toEqual({ exitCode: 0, log: "" });
    const said = await Bun.file(join(world.path, "stopped")).text();
    expect(said).toBe("late: stopped; it goes on at the next start\nexit code 1\n");
    expect(await printed(world, command)).toEqual(["late: 200 at attempt 3"]);
  }, 90_000);

  test("says how it is used", async () => {
    await using world = await webhookWorld();
    const { exitCode, log } = await world.runScript(runtimes[1][1]);
    expect({ exitCode, log }).toEqual({ exitCode: 2, log: "usage: deliver-webhooks URL EVENT…\n" });
  }, 30_000);
});

describe("examples/shell", () => {
  test("fetches a page, tries again later when the server is down, and fails when there is no page", async () => {
    const page = "<p>hello</p>";
    await using receiver = await startReceiver((path, before) => {
      if (path === "/missing") return { status: 404 };
      return before === 0 ? { status: 503 } : { status: 200, body: page };
    });
    await using world = await createWorld();
    await copyFile(join(checkout, "examples/shell/fetch-page.sh"), join(world.path, "fetch-page.sh"));
    const enqueue = "reseolio jobs enqueue pages:fetch --initial-delay 50ms --max-attempts 2 --wait --args";
    const script = [
      "reseolio serve --log-level warn &",
      "TMPDIR=$PWD/home reseolio work pages:fetch -q -- ./fetch-page.sh &",
      `${enqueue} '["${receiver.url}/page"]'`,
      `${enqueue} '["${receiver.url}/missing"]' 2>errors || echo "exit code $?"`,
      "ls home",
      "cat errors",
    ];
    const lines = await printed(
      world,
      script.join("\n"),
      /^(stopping|serving|warning: lost the connection|[0-9a-f-]+ \|)/,
    );
    expect(lines).toContain(`{"url":"${receiver.url}/page","bytes":${page.length}}`);
    expect(lines).toContain("exit code 7");
    expect(lines[0]).toContain(`exited with code 1: ${receiver.url}/missing answered 404`);
    // The page itself was a temporary file of the attempt.
    expect(lines.filter((line) => line.startsWith("page-"))).toEqual([]);
    expect(receiver.received.map((one) => one.text)).toEqual(["/page", "/page", "/missing", "/missing"]);
  }, 60_000);
});

/** Two failures, one request to wait, one refusal. */
function moods(text: string, before: number): Answer {
  if (text.includes("gone")) return { status: 410 };
  if (text.includes("busy")) return before === 0 ? { status: 429, retryAfterSeconds: 1 } : { status: 200 };
  return { status: before < 2 ? 503 : 200 };
}

const EXPECTED = ["busy: 200 at attempt 2", "exit code 1", "gone: given up (terminal)", "paid: 200 at attempt 3"];

async function webhookWorld(): Promise<World> {
  const world = await createWorld(modules);
  await world.write("deliver-webhooks.ts", webhooks);
  await world.write("deliver-webhooks.mjs", withoutTypes(webhooks));
  return world;
}

/** Lines in the order of the alphabet: jobs end in any order. */
async function printed(world: World, script: string, ignored = /^$/): Promise<readonly string[]> {
  const { exitCode, log } = await world.runScript(capture("output", script));
  const said = log.split("\n").filter((line) => line !== "" && !ignored.test(line));
  expect({ exitCode, said }).toEqual({ exitCode: 0, said: [] });
  return (await Bun.file(join(world.path, "output")).text()).trim().split("\n").sort();
}

function count(receiver: Receiver, event: string): number {
  return receiver.received.filter((one) => one.text.includes(event)).length;
}
