import { context, JobFailedError, type Reseolio } from "reseolio";

/** The systems that an order touches. A call with a `key` that was there before must change nothing. */
export interface Shop {
  charge(orderId: string, key: string): Promise<string>;
  refund(paymentId: string, key: string): Promise<void>;
  reserve(orderId: string, key: string): Promise<void>;
  ship(orderId: string, key: string): Promise<string>;
  confirm(orderId: string, key: string): Promise<void>;
}

export type Fulfilment =
  { readonly status: "shipped"; readonly label: string } | { readonly status: "refunded"; readonly reason: string };

/**
 * Each part is a durable function with its own retries, and the order is one that calls them. When it is run again after
 * a crash it finds the calls that it made before, with their results: nothing is charged twice.
 */
export function defineFulfilment(reseolio: Reseolio, shop: Shop) {
  const step = <Result>(name: string, act: (subject: string, key: string) => Promise<Result>) =>
    reseolio.durable(reseolio.namespace("shop", name), (subject: string) => act(subject, context().jobId), {
      maxAttempts: 5,
    });
  const charge = step("charge", (orderId, key) => shop.charge(orderId, key));
  const refund = step("refund", (paymentId, key) => shop.refund(paymentId, key));
  const reserve = step("reserve", (orderId, key) => shop.reserve(orderId, key));
  const ship = step("ship", (orderId, key) => shop.ship(orderId, key));
  const confirm = step("confirm", (orderId, key) => shop.confirm(orderId, key));

  return reseolio.durable(
    reseolio.namespace("shop", "fulfil"),
    async (orderId: string): Promise<Fulfilment> => {
      const payment = await charge(orderId);
      const paymentId = await payment.result();
      const reservation = await reserve(orderId);
      try {
        await reservation.result();
      } catch (error) {
        // Only what was tried to the end is undone; anything else, such as a lost connection, is tried again.
        if (!(error instanceof JobFailedError)) throw error;
        const repayment = await refund(paymentId);
        await repayment.result();
        return { status: "refunded", reason: error.message };
      }
      const shipment = await ship(orderId);
      const label = await shipment.result();
      await confirm(orderId); // nobody waits for this one
      return { status: "shipped", label };
    },
    { maxAttempts: 10, timeoutMs: 300_000 },
  );
}
