/** How events are printed, and the JSON format that programs rely on. */
import type { Event } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import type { RecordView } from "../terminal/output.ts";
import { counted } from "../text/counted.ts";
import { relativeTime } from "../text/instant.ts";
import { embedJson } from "../text/json-text.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

export function eventJson(event: Event): Record<string, unknown> {
  return { name: event.name, payload: embedJson(event.payload), emittedAt: isoTime(event.emittedAt) };
}

export function eventRecord(event: Event, now: number): RecordView {
  return { id: event.name, json: eventJson(event), fields: eventFields(event, now) };
}

/** An event that was just emitted: whether it is the first of its name, and how many jobs it woke. */
export function emittedEventRecord(
  event: Event,
  emitted: { readonly created: boolean; readonly woken: number },
): RecordView {
  return {
    id: event.name,
    json: { ...eventJson(event), created: emitted.created, woken: emitted.woken },
    fields: [
      ...eventFields(event, Date.now()),
      {
        label: "created",
        value: String(emitted.created),
        short: emitted.created ? "yes" : "no: it was already emitted",
      },
      { label: "woken", value: String(emitted.woken), short: counted(emitted.woken, "job") },
    ],
  };
}

function eventFields(event: Event, now: number): RecordView["fields"] {
  const at = fromTimestamp(event.emittedAt);
  const iso = isoTime(event.emittedAt) ?? undefined;
  return [
    { label: "name", value: event.name },
    { label: "payload", value: event.payload.length === 0 ? "null" : new TextDecoder().decode(event.payload) },
    { label: "emitted", value: iso, ...(at === null ? {} : { short: `${iso} (${relativeTime(at, now)})` }) },
  ];
}
