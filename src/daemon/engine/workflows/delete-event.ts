import { DaemonError } from "../../core/errors.ts";
import type { Engine } from "../engine.ts";
import { checkEventName } from "./emit-event.ts";

/**
 * Forgets an event: who awaits it from now on waits for its next emission. False when there was none. Throws
 * failed_precondition while jobs that wait for it are told.
 */
export async function deleteEvent(engine: Engine, name: string): Promise<boolean> {
  checkEventName(name);
  const outcome = await engine.lane.run(({ tx }) => tx.events.delete(name), [name]);
  if (outcome !== "spreading") return outcome === "deleted";
  throw new DaemonError(
    "failed_precondition",
    `the event ${JSON.stringify(name)} is still being told to the jobs that waited for it; delete it in a moment`,
    { metadata: { name } },
  );
}
