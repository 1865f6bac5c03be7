/** Every example is safe to replay: killed after every checkpoint it does each thing once and comes to the same end. */
import { describe, expect, test } from "bun:test";
import { defineReport } from "../../examples/await-result/report.ts";
import { defineBatch } from "../../examples/batch/batch.ts";
import { defineThumbnails } from "../../examples/fan-out/thumbnails.ts";
import { defineWelcomeMail } from "../../examples/fire-and-forget/welcome-mail.ts";
import { defineOnboarding } from "../../examples/onboarding/onboarding.ts";
import { defineOrder } from "../../examples/orders/order.ts";
import { defineFulfilment } from "../../examples/saga/fulfilment.ts";
import { TerminalError } from "../../src/sdk/index.ts";
import { createTestWorld } from "../../src/testing/index.ts";
import { executableFile } from "../support/executable-file.ts";

const newWorld = () => createTestWorld({ coreBinaryPath: executableFile(), replayEveryCheckpoint: true });

/** Like a payment provider: for a key that was there before it answers the same and does nothing. */
class World {
  readonly done: string[] = [];
  readonly #keys = new Set<string>();

  once<T>(key: string, what: string, result: T): T {
    if (!this.#keys.has(key)) this.done.push(what);
    this.#keys.add(key);
    return result;
  }
}

describe("killed and replayed after every checkpoint", () => {
  test("fire-and-forget sends one mail", async () => {
    await using world = await newWorld();
    const outside = new World();
    const send = defineWelcomeMail(world.client, {
      send: async (to, subject, key) => outside.once(key, `${to}: ${subject}`, undefined),
    });
    await send("ada@example.com");
    await world.settled();
    expect(outside.done).toEqual(["ada@example.com: Good to have you here"]);
  });

  test("await-result gives one report", async () => {
    await using world = await newWorld();
    const files = new Map<string, string>();
    const render = defineReport(world.client, {
      readRows: async () => ["north,2", "south,3"],
      write: async (id, text) => {
        files.set(id, text);
        return `${id}.txt`;
      },
    });
    const job = await render("sales");
    await world.settled();
    expect(await job.result(5_000)).toEqual({ url: "sales.txt", rows: 2, total: 5 });
    expect([...files]).toEqual([["sales", "north,2\nsouth,3\ntotal,5"]]);
  });

  test("saga charges once, and undoes once what cannot be shipped", async () => {
    await using world = await newWorld();
    const outside = new World();
    const fulfil = defineFulfilment(world.client, {
      charge: async (orderId, key) => outside.once(key, `charge ${orderId}`, `pay-${orderId}`),
      refund: async (paymentId, key) => outside.once(key, `refund ${paymentId}`, undefined),
      reserve: async (orderId, key) => outside.once(key, `reserve ${orderId}`, `goods-${orderId}`),
      release: async (reservationId, key) => outside.once(key, `release ${reservationId}`, undefined),
      ship: async (orderId, key) => {
        if (orderId === "large") throw new TerminalError("no carrier takes it");
        return outside.once(key, `ship ${orderId}`, `label-${orderId}`);
      },
      confirm: async (orderId, key) => outside.once(key, `confirm ${orderId}`, undefined),
    });
    const order = await fulfil("there");
    await world.settled();
    expect(await order.result(5_000)).toEqual({ status: "shipped", label: "label-there" });
    const large = await fulfil("large");
    await world.settled();
    expect(await large.result(5_000).catch((error: unknown) => (error as Error).name)).toBe("JobFailedError");
    expect(outside.done).toEqual([
      ...["charge there", "reserve there", "ship there", "confirm there"],
      ...["charge large", "reserve large", "release goods-large", "refund pay-large"],
    ]);
  });

  test("fan-out makes each size", async () => {
    await using world = await newWorld();
    const made = new Set<string>();
    const thumbnails = defineThumbnails(world.client, {
      writeResized: async (id, size) => {
        made.add(`${size}/${id}`);
        return `${size}/${id}`;
      },
    });
    const job = await thumbnails("cat.png");
    await world.settled();
    expect((await job.result(5_000)).map(({ url }) => url)).toEqual([...made]);
  });

  test("batch counts each item once", async () => {
    await using world = await newWorld();
    const processed = new Set<string>();
    const run = defineBatch(world.client, {
      list: async () => ["a", "b", "c", "bad"],
      process: async (id) => {
        if (id === "bad") throw new Error("never");
        processed.add(id);
      },
    });
    const job = await run("nightly");
    await world.advance("1m");
    expect(await job.result(5_000)).toEqual({ succeeded: 3, failed: ["bad"] });
    expect([...processed].sort()).toEqual(["a", "b", "c"]);
  });

  test("onboarding sends each mail on its day", async () => {
    await using world = await newWorld();
    const outside = new World();
    const start = world.now().getTime();
    const onboard = defineOnboarding(world.client, {
      createWorkspace: async (userId) => outside.once(`workspace ${userId}`, "workspace", `w-${userId}`),
      createBucket: async (workspaceId) => outside.once(`bucket ${workspaceId}`, "bucket", `b-${workspaceId}`),
      sendMail: async (_userId, template, key) => {
        const day = Math.floor((world.now().getTime() - start) / 86_400_000);
        outside.once(key, `${template} on day ${day}`, undefined);
      },
    });
    const job = await onboard("ada");
    await world.advance("30d");
    expect(await job.result(5_000)).toEqual({ workspaceId: "w-ada", bucket: "b-w-ada" });
    expect(outside.done).toEqual([
      ...["workspace", "bucket", "welcome on day 0"],
      ...["tips-of-the-first-day on day 1", "tips-of-the-third-day on day 3"],
    ]);
  });

  test("orders charges and refunds once", async () => {
    await using world = await newWorld();
    const outside = new World();
    const place = defineOrder(world.client, {
      charge: async (orderId, cents, key) => outside.once(key, `charge ${cents}`, `pay-${orderId}`),
      refund: async (paymentId, key) => outside.once(key, `refund ${paymentId}`, undefined),
      ship: async (orderId, parcel, key) => outside.once(key, `ship ${parcel}`, `track-${orderId}`),
    });
    const shipped = await place("o1", 100);
    const refunded = await place("o2", 200);
    await world.client.emitEvent("packed:o1", { parcel: "box" });
    await world.advance("14d");
    expect(await shipped.result(5_000)).toEqual({ status: "shipped", tracking: "track-o1" });
    expect(await refunded.result(5_000)).toEqual({ status: "refunded" });
    expect(outside.done.toSorted()).toEqual(["charge 100", "charge 200", "refund pay-o2", "ship box"]);
  });
});
