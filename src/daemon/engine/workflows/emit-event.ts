import { checkName, type Event } from "../../core/checkpoint.ts";
import { invalidArgument } from "../../core/errors.ts";
import type { EmitOutcome, NewEvent } from "../../storage/seam/events.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import type { WriteKind } from "../lane/write-kind.ts";
import { checkPayload } from "./check-payload.ts";
import { wakeJobs } from "./wake-jobs.ts";

/** Waits that one commit ends for one event: bounds the duration of the commit. */
const EVENT_SLICE = 500;

export const emitKind: WriteKind<NewEvent, EmitOutcome> = {
  name: "emit",
  readsTimeLate: false,
  eventNames: (events) => events.map(({ name }) => name),
  apply: emitEvents,
};

export interface EmittedEvent {
  /** The stored event, with the first payload. */
  readonly event: Event;
  /** False when it had been emitted before. */
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly woken: number;
}

/** Jobs that await the event, now or later, receive its first payload. Resolves when the commit is on disk. */
export async function emitEvent(engine: Engine, name: string, payload: Uint8Array): Promise<EmittedEvent> {
  checkEventName(name);
  checkPayload(payload);
  const given = { name, payload: payload.byteLength === 0 ? NULL : payload };
  const [outcome] = await engine.lane.write(emitKind, [given]);
  const { event, created, waiting } = outcome as EmitOutcome;
  return { event, created, woken: waiting };
}

/** Emits all events of a commit. A job that several of them wake is woken once: the second write finds it awake. */
async function emitEvents(lane: LaneTransaction, events: readonly NewEvent[]): Promise<readonly EmitOutcome[]> {
  const outcomes = await lane.tx.events.emit(events, EVENT_SLICE);
  await wakeJobs(
    lane,
    outcomes.flatMap(({ woken }) => woken),
  );
  // The timer ends the other waits, a slice per commit.
  if (outcomes.some(({ waiting }) => waiting > EVENT_SLICE)) lane.expectDue(lane.tx.now);
  return outcomes;
}

/** Throws invalid_argument. */
export function checkEventName(name: string): void {
  const violations = checkName(name, "name");
  if (violations.length > 0) throw invalidArgument(violations);
}

const NULL = new TextEncoder().encode("null");
