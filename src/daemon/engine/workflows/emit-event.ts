import { checkName, type Event } from "../../core/checkpoint.ts";
import { invalidArgument } from "../../core/errors.ts";
import type { EmitOutcome } from "../../storage/seam/events.ts";
import { ticketed } from "../lane/commit-lane.ts";
import type { Engine } from "../engine.ts";
import { checkPayload } from "./check-payload.ts";

export interface EmittedEvent {
  /** As it is kept: the first payload. */
  readonly event: Event;
  /** False when it had happened before. */
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly woken: number;
}

/** Jobs that await the event, now or later, get its first payload. Resolves after the commit is on disk. */
export async function emitEvent(engine: Engine, name: string, payload: Uint8Array): Promise<EmittedEvent> {
  checkEventName(name);
  checkPayload(payload);
  const given = { name, payload: payload.byteLength === 0 ? NULL : payload };
  const [outcome] = await ticketed<readonly EmitOutcome[]>((ticket) => engine.lane.emit([given], ticket));
  const { event, created, waiting } = outcome as EmitOutcome;
  return { event, created, woken: waiting };
}

/** The event, or how many jobs wait for it when it has not happened. */
export async function getEvent(
  engine: Engine,
  name: string,
): Promise<{ readonly event: Event | null; readonly waiting: number }> {
  checkEventName(name);
  const event = await engine.store.events.get(name);
  return { event, waiting: event === null ? await engine.store.events.countWaiting(name) : 0 };
}

/** Throws invalid_argument. */
export function checkEventName(name: string): void {
  const violations = checkName(name, "name");
  if (violations.length > 0) throw invalidArgument(violations);
}

const NULL = new TextEncoder().encode("null");
