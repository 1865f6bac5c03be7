import { DaemonError } from "../../core/errors.ts";
import type { Engine } from "../engine.ts";
import { checkEventName } from "./emit-event.ts";

/**
 * Deletes an event: jobs that await it from now on wait for its next emission. False when there was none. Throws
 * failed_precondition while the event is still being delivered to waiting jobs.
 */
export async function deleteEvent(engine: Engine, name: string): Promise<boolean> {
  checkEventName(name);
  const outcome = await engine.lane.run(({ tx }) => tx.events.delete(name), [name]);
  if (outcome !== "spreading") return outcome === "deleted";
  throw new DaemonError(
    "failed_precondition",
    `the event ${JSON.stringify(name)} is still being delivered to the jobs that waited for it; retry in a moment`,
    { metadata: { name } },
  );
}
