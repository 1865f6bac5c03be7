import type { Event } from "../../core/checkpoint.ts";
import type { Engine } from "../engine.ts";
import { checkEventName } from "./emit-event.ts";

/** The event, or the number of jobs that wait for it when it has not been emitted. */
export async function getEvent(
  engine: Engine,
  name: string,
): Promise<{ readonly event: Event | null; readonly waiting: number }> {
  checkEventName(name);
  const event = await engine.store.events.get(name);
  return { event, waiting: event === null ? await engine.store.events.countWaiting(name) : 0 };
}
