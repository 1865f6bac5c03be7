/** How times are printed: ISO 8601 in UTC for programs, relative to now for people. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { RecordField } from "../terminal/output.ts";
import type { Column } from "../terminal/table.ts";
import { relativeTime } from "../text/instant.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

/** @param applies whether the time of a row is relevant to people */
export function timeColumn<Row>(
  header: string,
  of: (row: Row) => Timestamp | undefined,
  applies: (row: Row) => boolean = () => true,
): Column<Row> {
  return {
    header,
    value: (row) => isoTime(of(row)) ?? "",
    short: (row, now) => {
      const at = fromTimestamp(of(row));
      return at === null || !applies(row) ? "" : relativeTime(at, now);
    },
  };
}

export function timeField(label: string, time: Timestamp | undefined, now: number): RecordField {
  const at = fromTimestamp(time);
  if (at === null) return { label, value: undefined };
  const iso = new Date(at).toISOString();
  return { label, value: iso, short: `${iso} (${relativeTime(at, now)})` };
}
