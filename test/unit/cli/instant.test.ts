import { describe, expect, test } from "bun:test";
import { parseInstant, relativeTime } from "../../../src/cli/text/instant.ts";

describe("a time", () => {
  test.each([
    ["2026-11-21T09:00:00Z", Date.UTC(2026, 10, 21, 9)],
    ["2026-11-21T09:00Z", Date.UTC(2026, 10, 21, 9)],
    ["2026-11-21T09:00:00.250Z", Date.UTC(2026, 10, 21, 9, 0, 0, 250)],
    ["2026-11-21T09:00:00+01:00", Date.UTC(2026, 10, 21, 8)],
    ["2026-11-21T09:00:00-0130", Date.UTC(2026, 10, 21, 10, 30)],
    ["2026-11-21 09:00:00Z", Date.UTC(2026, 10, 21, 9)],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
  ])("%s is read", (text, at) => {
    expect(parseInstant(text)).toBe(at);
  });

  test("without a zone it is local, a date alone is local midnight", () => {
    expect(parseInstant("2026-11-21T09:00")).toBe(new Date(2026, 10, 21, 9).getTime());
    expect(parseInstant("2026-11-21")).toBe(new Date(2026, 10, 21).getTime());
  });

  test.each([
    "",
    "now",
    "tomorrow",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-21T25:00:00Z",
    "11/21/2026",
    "2026-11-21Z",
    "1700000000",
    "2025-02-29",
  ])("%p is refused", (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  test.each([
    [0, "now"],
    [-999, "now"],
    [5_000, "5s ago"],
    [90_000, "1m ago"],
    [7_200_000, "2h ago"],
    [-30_000, "in 30s"],
    [3 * 86_400_000, "3d ago"],
  ])("%d ms before now is shown as %s", (before, text) => {
    expect(relativeTime(1_800_000_000_000 - before, 1_800_000_000_000)).toBe(text);
  });
});
