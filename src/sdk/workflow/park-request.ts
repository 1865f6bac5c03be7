import type { Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Place } from "../replay/delivery.ts";
import type { DurableWait } from "./durable-wait.ts";

/**
 * Of many awaited jobs only the last ones are sent: a handler that needs thousands and is woken by each of them would
 * send thousands of names thousands of times. The session delivers the ends of the others, and the handler then asks
 * for its slot. The waits that are sent still wake the job if this process is gone.
 */
const MAX_SENT_JOBS = 32;

/**
 * The message for the daemon when a handler parks with these waits; marks each wait as sent.
 *
 * @param place of what ends while the handler is parked; undefined in a job without a recorded order
 */
export function parkRequest(waits: readonly DurableWait[], place: Place | undefined): Park {
  let unsent = waits.filter((wait) => wait.awaited.kind === "job").length - MAX_SENT_JOBS;
  for (const wait of waits) wait.wakes = wait.awaited.kind !== "job" || unsent-- <= 0;
  const waking = waits.filter((wait) => wait.wakes);
  const fresh = waking.filter((wait) => !wait.isSent);
  const messages = fresh.map((wait) => wait.message(place !== undefined));
  for (const wait of fresh) wait.isSent = true;
  return {
    $typeName: "reseolio.v1.Park",
    waits: messages,
    waitingNames: waking.map((wait) => wait.name),
    seq: place?.seq ?? 0,
    asked: place?.asked ?? 0,
    alone: place?.alone ?? false,
  };
}
