import type { Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { DurableWait } from "./durable-wait.ts";
import type { Place } from "../replay/delivery.ts";

/**
 * Of a great many awaited jobs only the last are told: woken by each of thousands, a handler that needs them all would
 * tell thousands of names thousands of times. The session brings the ends of the others, and the handler asks for its
 * slot then. Those told still wake the job when this process is gone.
 */
const MAX_SENT_JOBS = 32;

/**
 * What the daemon is told of these waits, as a handler parks; notes in each what it knows then.
 *
 * @param place of what ends meanwhile; undefined in a job that keeps no order
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
