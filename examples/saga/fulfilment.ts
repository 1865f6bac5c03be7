import { context, type Reseolio } from "reseolio";

/** The systems that an order uses. A call that repeats an earlier `key` must change nothing. */
export interface Shop {
  charge(orderId: string, key: string): Promise<string>;
  refund(paymentId: string, key: string): Promise<void>;
  reserve(orderId: string, key: string): Promise<string>;
  release(reservationId: string, key: string): Promise<void>;
  ship(orderId: string, key: string): Promise<string>;
  confirm(orderId: string, key: string): Promise<void>;
}

export interface Fulfilment {
  readonly status: "shipped";
  readonly label: string;
}

/**
 * Each part is a step with its own retries, and with an undo. When the order runs again after a crash, its recorded steps
 * do not: nothing is charged twice. When the order fails for good or is cancelled, its steps are undone, the last one
 * first, through any crash.
 */
export function defineFulfilment(reseolio: Reseolio, shop: Shop) {
  return reseolio.durable(
    reseolio.namespace("shop", "fulfil"),
    async (orderId: string): Promise<Fulfilment> => {
      const { step, jobId } = context();
      // The same in every attempt: a step that crashes before its record runs once more.
      const keyOf = (part: string): string => `${jobId}:${part}`;
      await step("charge", () => shop.charge(orderId, keyOf("charge")), {
        maxAttempts: 5,
        undo: (paymentId) => shop.refund(paymentId, keyOf("refund")),
      });
      await step("reserve", () => shop.reserve(orderId, keyOf("reserve")), {
        maxAttempts: 5,
        undo: (reservationId) => shop.release(reservationId, keyOf("release")),
      });
      const label = await step("ship", () => shop.ship(orderId, keyOf("ship")), { maxAttempts: 5 });
      await step("confirm", () => shop.confirm(orderId, keyOf("confirm")), { maxAttempts: 5 });
      return { status: "shipped", label };
    },
    { maxAttempts: 10, timeoutMs: 300_000 },
  );
}
