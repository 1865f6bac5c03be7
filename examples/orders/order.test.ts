/** Tests an order with the real daemon, in memory, where a week passes in a millisecond. */
import { expect, test } from "bun:test";
import { createTestWorld } from "reseolio/testing";
import { defineOrder, type Shop } from "./order.ts";

/** A shop that records its calls. Like a payment provider, it does nothing twice for one key. */
class RecordingShop implements Shop {
  readonly log: string[] = [];
  readonly #keys = new Set<string>();

  charge = async (orderId: string, cents: number, key: string) => this.#once(key, `charge ${cents}`, `pay-${orderId}`);
  refund = async (paymentId: string, key: string) => this.#once(key, `refund ${paymentId}`, undefined);
  ship = async (orderId: string, parcel: string, key: string) => this.#once(key, `ship ${parcel}`, `track-${orderId}`);

  #once<T>(key: string, line: string, result: T): T {
    if (!this.#keys.has(key)) this.log.push(line);
    this.#keys.add(key);
    return result;
  }
}

test("an order that is packed in time is shipped", async () => {
  await using world = await createTestWorld();
  const shop = new RecordingShop();
  const order = await defineOrder(world.client, shop)("order-1", 1_999);
  await world.advance("59m");
  expect(shop.log).toEqual([]);
  await world.advance("1m");
  expect(shop.log).toEqual(["charge 1999"]);
  await world.advance("6d");
  await world.client.emitEvent("packed:order-1", { parcel: "small-box" });
  expect(await order.result()).toEqual({ status: "shipped", tracking: "track-order-1" });
  expect(shop.log).toEqual(["charge 1999", "ship small-box"]);
});

test("an order that nobody packs is refunded after a week", async () => {
  await using world = await createTestWorld();
  const shop = new RecordingShop();
  const order = await defineOrder(world.client, shop)("order-2", 500);
  await world.advance("30d");
  expect(await order.result()).toEqual({ status: "refunded" });
  expect(shop.log).toEqual(["charge 500", "refund pay-order-2"]);
});

test("an order does nothing twice when it is killed after every checkpoint", async () => {
  await using world = await createTestWorld({ replayEveryCheckpoint: true });
  const shop = new RecordingShop();
  const order = await defineOrder(world.client, shop)("order-3", 700);
  await world.client.emitEvent("packed:order-3", { parcel: "crate" });
  await world.advance("1h");
  expect(await order.result()).toEqual({ status: "shipped", tracking: "track-order-3" });
  expect(shop.log).toEqual(["charge 700", "ship crate"]);
});
