/** How future ticks are printed: in the schedule's time zone and in UTC, with notes on clock changes. */
import type { Tick } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Listing } from "../terminal/output.ts";
import { relativeTime } from "../text/instant.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

interface TickRow {
  readonly tick: Tick;
  readonly note: string;
}

/** @param ticks in order */
export function tickRows(ticks: readonly Tick[]): readonly TickRow[] {
  return ticks.map((tick, index) => ({ tick, note: noteOf(tick, ticks[index - 1]) }));
}

function noteOf(tick: Tick, before: Tick | undefined): string {
  const notes: string[] = [];
  if (tick.inGap) notes.push("skipped by a clock change: first valid instant");
  if (tick.offsetChanged) {
    notes.push(before === undefined ? "clocks changed" : `clocks changed from ${offsetOf(before)}`);
  }
  return notes.join("; ");
}

function offsetOf(tick: Tick): string {
  const offset = /(?:Z|[+-]\d{2}:\d{2}(?::\d{2})?)$/.exec(tick.localTime)?.[0] ?? "";
  return offset === "Z" ? "+00:00" : offset;
}

/** @param zone the header of the column of local times */
export function tickListing(zone: string): Listing<TickRow> {
  return {
    name: "ticks",
    columns: [
      { header: zone.toUpperCase(), value: ({ tick }) => tick.localTime, short: ({ tick }) => localText(tick) },
      { header: "UTC", value: ({ tick }) => isoTime(tick.at) ?? "", short: ({ tick }, now) => utcText(tick, now) },
      { header: "NOTE", value: ({ note }) => note, paint: () => "yellow" },
    ],
    json: ({ tick }) => tickJson(tick),
    id: ({ tick }) => isoTime(tick.at) ?? "",
    empty: "no future ticks",
  };
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** `Mon 2026-11-23 08:00:00 -05:00` */
function localText({ localTime }: Tick): string {
  const [, date, time, offset] = /^(\d{4}-\d{2}-\d{2})T([\d:]+)(?:\.\d+)?(.*)$/.exec(localTime) ?? [];
  if (date === undefined) return localTime;
  const day = DAYS[new Date(`${date}T00:00:00Z`).getUTCDay()] ?? "";
  return `${day} ${date} ${time} ${offset === "Z" ? "+00:00" : offset}`;
}

function utcText(tick: Tick, now: number): string {
  const at = fromTimestamp(tick.at);
  return at === null ? "" : `${new Date(at).toISOString()} (${relativeTime(at, now)})`;
}

export function tickJson(tick: Tick): Record<string, unknown> {
  const { localTime, offsetChanged, inGap } = tick;
  return { at: isoTime(tick.at), localTime, offsetChanged, inGap };
}
