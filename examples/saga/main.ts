/**
 * Fulfils orders: charge, reserve, ship, confirm. An order whose goods are gone is refunded.
 *
 *     bun main.ts order-1 sold-out-2
 */
import { Reseolio, TerminalError } from "reseolio";
import { defineFulfilment, type Shop } from "./fulfilment.ts";

/** Says what it would do. */
const shop: Shop = {
  charge: async (orderId) => say(`payment-of-${orderId}`, `charged ${orderId}`),
  refund: async (paymentId) => say(undefined, `refunded ${paymentId}`),
  reserve: async (orderId) => {
    if (orderId.startsWith("sold-out")) throw new TerminalError("no more of it");
    say(undefined, `reserved ${orderId}`);
  },
  ship: async (orderId) => say(`label-of-${orderId}`, `shipped ${orderId}`),
  confirm: async (orderId) => say(undefined, `confirmed ${orderId}`),
};

function say<T>(value: T, line: string): T {
  console.log(line);
  return value;
}

const reseolio = new Reseolio();
const fulfil = defineFulfilment(reseolio, shop);

await reseolio.start();
for (const orderId of process.argv.slice(2)) {
  const order = await fulfil.with({ idempotencyKey: orderId })(orderId);
  console.log(`${orderId}: ${JSON.stringify(await order.result())}`);
}
await reseolio.stop();
