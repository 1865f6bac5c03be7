import { describe, expect, test } from "bun:test";
import { median, percentile, slope } from "../../../scripts/bench/statistics.ts";

describe("statistics of the benchmark", () => {
  test("the median is the value in the middle, or between the two in the middle, in any order", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(() => median([])).toThrow("no values");
  });

  test("a percentile is a value that was measured, and sorts numbers as numbers", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile(values, 1)).toBe(100);
    expect(percentile([9, 10], 0)).toBe(9);
    expect(() => percentile([], 0.5)).toThrow("no values");
  });

  test("the slope is that of the best straight line", () => {
    expect(slope([1, 2, 3].map((x) => ({ x, y: 2 * x + 5 })))).toBeCloseTo(2);
    expect(slope([1, 2, 3].map((x) => ({ x, y: 4 })))).toBe(0);
    expect(slope([{ x: 1, y: 9 }])).toBe(0);
    expect(
      slope([
        { x: 1, y: 9 },
        { x: 1, y: 10 },
      ]),
    ).toBe(0);
  });
});
