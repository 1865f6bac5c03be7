import { context, EventTimeoutError, type Reseolio } from "reseolio";

/** The systems that an order uses. A call that repeats an earlier `key` must change nothing. */
export interface Shop {
  charge(orderId: string, cents: number, key: string): Promise<string>;
  refund(paymentId: string, key: string): Promise<void>;
  ship(orderId: string, parcel: string, key: string): Promise<string>;
}

export type OrderEnd = { readonly status: "shipped"; readonly tracking: string } | { readonly status: "refunded" };

const HOUR_MS = 3_600_000;

/** A week of waiting costs a row in the database: meanwhile the function holds no slot and no process. */
export function defineOrder(reseolio: Reseolio, shop: Shop, coolOffMs = HOUR_MS, packWithinMs = 7 * 24 * HOUR_MS) {
  return reseolio.durable(
    reseolio.namespace("shop", "orders", "place"),
    async (orderId: string, cents: number): Promise<OrderEnd> => {
      const { jobId, step, sleepFor, awaitEvent } = context();
      // Until then the buyer can change their mind: cancel the job.
      await sleepFor("cool-off", coolOffMs);
      const paymentId = await step("charge", () => shop.charge(orderId, cents, `${jobId}:charge`), { maxAttempts: 5 });
      const packed = await awaitEvent<{ parcel: string }>(`packed:${orderId}`, { timeoutMs: packWithinMs }).catch(
        nullWhenLate,
      );
      if (packed === null) {
        await step("refund", () => shop.refund(paymentId, `${jobId}:refund`), { maxAttempts: 20 });
        return { status: "refunded" };
      }
      const tracking = await step("ship", () => shop.ship(orderId, packed.parcel, `${jobId}:ship`));
      return { status: "shipped", tracking };
    },
    { maxAttempts: 10, timeoutMs: 60_000 },
  );
}

function nullWhenLate(error: unknown): null {
  if (error instanceof EventTimeoutError) return null;
  throw error;
}
