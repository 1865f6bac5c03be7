/** How an event is shown, and the JSON shape that programs rely on. */
import type { Event } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import type { Sheet } from "../terminal/output.ts";
import { relativeTime } from "../text/instant.ts";
import { embedJson } from "../text/json-text.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

export function eventJson(event: Event): Record<string, unknown> {
  return { name: event.name, payload: embedJson(event.payload), emittedAt: isoTime(event.emittedAt) };
}

export function eventSheet(event: Event, now: number): Sheet {
  return { id: event.name, json: eventJson(event), fields: eventFields(event, now) };
}

/** An event that was just emitted: whether it was the first of its name, and who waited for it. */
export function emittedSheet(event: Event, emitted: { readonly created: boolean; readonly woken: number }): Sheet {
  return {
    id: event.name,
    json: { ...eventJson(event), created: emitted.created, woken: emitted.woken },
    fields: [
      ...eventFields(event, Date.now()),
      {
        label: "created",
        value: String(emitted.created),
        short: emitted.created ? "yes" : "no: it had happened before",
      },
      { label: "woken", value: String(emitted.woken), short: `${emitted.woken} jobs` },
    ],
  };
}

function eventFields(event: Event, now: number): Sheet["fields"] {
  const at = fromTimestamp(event.emittedAt);
  const iso = isoTime(event.emittedAt) ?? undefined;
  return [
    { label: "name", value: event.name },
    { label: "payload", value: event.payload.length === 0 ? "null" : new TextDecoder().decode(event.payload) },
    { label: "emitted", value: iso, ...(at === null ? {} : { short: `${iso} (${relativeTime(at, now)})` }) },
  ];
}
