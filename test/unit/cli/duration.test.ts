import { describe, expect, test } from "bun:test";
import { formatDuration, parseDuration } from "../../../src/cli/text/duration.ts";

describe("a length", () => {
  test.each([
    ["0", 0],
    ["500ms", 500],
    ["10s", 10_000],
    ["10m", 600_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["1.5h", 5_400_000],
    ["1h30m", 5_400_000],
    ["1m0.5s", 60_500],
    ["0ms", 0],
  ])("%s is read", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "10", "s", "-5s", "5 s", "5sec", "1e3s", "10mm", "h1", "5s ", "NaNs", "Infinitys", ".5s", "5.s"])(
    "%p is refused",
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  test.each([
    [0, "0ms"],
    [999, "999ms"],
    [1_500, "1.5s"],
    [59_400, "59s"],
    [90_000, "1m 30s"],
    [3_600_000, "1h"],
    [90_061_000, "1d 1h"],
  ])("%d ms is shown as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
