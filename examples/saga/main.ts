/**
 * Fulfils orders: charge, reserve, ship, confirm. An order that cannot be shipped undoes what it did.
 *
 *     bun main.ts order-1 too-large-2
 */
import { JobFailedError, Reseolio, TerminalError } from "reseolio";
import { defineFulfilment, type Shop } from "./fulfilment.ts";

/** Prints what it would do. */
const shop: Shop = {
  charge: async (orderId) => say(`payment-of-${orderId}`, `charged ${orderId}`),
  refund: async (paymentId) => say(undefined, `refunded ${paymentId}`),
  reserve: async (orderId) => say(`goods-of-${orderId}`, `reserved ${orderId}`),
  release: async (reservationId) => say(undefined, `released ${reservationId}`),
  ship: async (orderId) => {
    if (orderId.startsWith("too-large")) throw new TerminalError("no carrier takes it");
    return say(`label-of-${orderId}`, `shipped ${orderId}`);
  },
  confirm: async (orderId) => say(undefined, `confirmed ${orderId}`),
};

function say<T>(value: T, line: string): T {
  console.log(line);
  return value;
}

const reseolio = new Reseolio();
const fulfil = defineFulfilment(reseolio, shop);

/** Waits until everything that a failed order did is undone. */
async function undone(jobId: string): Promise<void> {
  const { jobs } = await reseolio.listJobs({ parentId: jobId, name: fulfil.functionName });
  for (const { id } of jobs) await reseolio.handle(id).result();
}

await reseolio.start();
for (const orderId of process.argv.slice(2)) {
  const order = await fulfil.with({ idempotencyKey: orderId })(orderId);
  try {
    console.log(`${orderId}: ${JSON.stringify(await order.result())}`);
  } catch (error) {
    if (!(error instanceof JobFailedError)) throw error;
    await undone(order.jobId);
    console.log(`${orderId}: ${(error.cause as Error).message}`);
  }
}
await reseolio.stop();
