/**
 * Places an order and waits for its end; the second form reports it as packed. In between the program may be killed and
 * started again: the order continues where it was.
 *
 *     bun main.ts place order-1 1999
 *     bun main.ts packed order-1 small-box
 */
import { Reseolio } from "reseolio";
import { defineOrder } from "./order.ts";

const [verb, orderId, text] = process.argv.slice(2);
if (orderId === undefined || text === undefined || (verb !== "place" && verb !== "packed")) {
  console.error("usage: main place ORDER CENTS | main packed ORDER PARCEL");
  process.exit(2);
}

const reseolio = new Reseolio();
const coolOffMs = Number(process.env["COOL_OFF_MS"] ?? 1_000);
const placeOrder = defineOrder(
  reseolio,
  {
    charge: async (id, cents) => say(`payment-of-${id}`, `charged ${cents} cents for ${id}`),
    refund: async (paymentId) => say(undefined, `refunded ${paymentId}`),
    ship: async (id, parcel) => say(`track-${id}`, `shipped ${id} in a ${parcel}`),
  },
  coolOffMs,
);

function say<T>(value: T, line: string): T {
  console.log(line);
  return value;
}

await reseolio.start();
if (verb === "place") {
  const order = await placeOrder.with({ idempotencyKey: orderId })(orderId, Number(text));
  console.log(JSON.stringify(await order.result()));
} else {
  const { created } = await reseolio.emitEvent(`packed:${orderId}`, { parcel: text });
  console.log(created ? "thank you" : "somebody said so before");
}
await reseolio.stop();
