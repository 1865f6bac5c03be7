/**
 * What happens on failure: an order whose orchestrator is killed -9 at every point, alone or with its daemon, on both
 * stores. Nothing that was recorded is done twice, nothing is charged twice, and the order is fulfilled.
 */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore, type TestStore } from "../support/each-store.ts";
import { type FixtureProcess, spawnFixture } from "../support/fixture-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ORDER_POINTS, type OrderForm, type OrderWorkerSettings, PROCESS_ORDER } from "./fixtures/order.ts";

interface Trouble {
  readonly dieAt: OrderWorkerSettings["dieAt"];
  readonly daemonToo?: boolean;
  readonly declines?: number;
  readonly shortages?: number;
}

for (const form of ["keys", "children", "steps"] as const) {
  describe(`an order made of ${form}`, () => {
    testOnEachStore("is fulfilled, each part done once, at whatever point its orchestrator dies", async (store) => {
      await throughAll(
        store,
        form,
        ORDER_POINTS.map((dieAt) => ({ dieAt })),
      );
    });

    testOnEachStore(
      "is charged once, whatever is declined or missing for a while, and also if the daemon dies too",
      async (store) => {
        await throughAll(store, form, [
          { dieAt: null, declines: 2 },
          // The orchestrator is gone while the goods are still tried for; a step is tried by the orchestrator itself.
          { dieAt: form === "steps" ? "goods known" : "goods asked for", shortages: 2 },
          { dieAt: "payment known", daemonToo: true, declines: 2 },
          { dieAt: "confirmation asked for", daemonToo: true },
        ]);
      },
    );
  });
}

/** One order per failure scenario, in one world. */
async function throughAll(store: TestStore, form: OrderForm, troubles: readonly Trouble[]): Promise<void> {
  await using world = await store.createWorld(["--lease", "2s"]);
  await using dir = await tempDir("reseolio-order-");
  const orders = troubles.map((trouble, index) => ({ orderId: `order-${index}`, trouble }));
  const common = {
    address: world.daemon.address,
    form,
    effects: dir.file("effects"),
    deathMark: "",
    dieAt: null,
    alsoKill: 0,
    declines: Object.fromEntries(orders.map(({ orderId, trouble }) => [orderId, trouble.declines ?? 0])),
    shortages: Object.fromEntries(orders.map(({ orderId, trouble }) => [orderId, trouble.shortages ?? 0])),
  };
  await using _parts = await startWorker({ ...common, role: "parts" });
  for (const { orderId, trouble } of orders) {
    const deathMark = dir.file(`${orderId}-died`);
    const alsoKill = trouble.daemonToo === true ? world.daemon.pid : 0;
    await fulfil(world, orderId, { ...common, role: "orchestrator", dieAt: trouble.dieAt, deathMark, alsoKill });
    const effects = linesOf(common.effects).filter((line) => line.endsWith(` ${orderId}`) && !line.startsWith("asked"));
    expect({ trouble, effects: effects.toSorted() }).toEqual({ trouble, effects: doneFor(orderId) });
  }
}

async function fulfil(world: E2eWorld, orderId: string, settings: OrderWorkerSettings): Promise<void> {
  const key = { idempotencyKey: `checkout-${orderId}` };
  await using mortal = await startWorker(settings);
  const order = await world.client.enqueue(PROCESS_ORDER, [orderId], key);
  if (settings.dieAt !== null) {
    await mortal.exited(20_000);
    expect(readFileSync(settings.deathMark, "utf8")).toBe(settings.dieAt);
    if (settings.alsoKill !== 0) await world.daemon.restart();
  }
  await using _heir = settings.dieAt === null ? null : await startWorker(settings);
  expect(await order.result(30_000)).toEqual({ status: "fulfilled", label: `label-of-${orderId}` });
  expect((await world.client.enqueue(PROCESS_ORDER, [orderId], key)).jobId).toBe(order.jobId);
  await until(() => linesOf(settings.effects).includes(`confirmed ${orderId}`));
}

async function startWorker(settings: OrderWorkerSettings): Promise<FixtureProcess> {
  const worker = spawnFixture("order-worker", { settings });
  await worker.line("ready");
  return worker;
}

/** Nobody awaits the confirmation. */
async function until(isDone: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error("the order was not confirmed within 10 s");
    await Bun.sleep(5);
  }
}

function linesOf(path: string): readonly string[] {
  return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
}

/** Each once, whatever was killed when. */
function doneFor(orderId: string): string[] {
  return ["charged", "confirmed", "fulfilled", "labelled", "reserved"].map((what) => `${what} ${orderId}`);
}
