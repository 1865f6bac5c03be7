import { describe, expect, test } from "bun:test";
import { measureGrowth } from "../../../scripts/bench/watch-memory.ts";
import { parseSoakOptions, PARTS } from "../../../scripts/soak/options.ts";
import { Random } from "../../../scripts/soak/random.ts";
import { shareOfTime } from "../../../scripts/soak/soak-context.ts";

describe("options of the soak", () => {
  test("have defaults", () => {
    expect(parseSoakOptions([], "/d")).toMatchObject({
      only: [],
      rounds: null,
      minutes: null,
      jobs: 2_000_000,
      directory: "/d",
    });
    expect(parseSoakOptions(["--only", "power,enqueue", "--rounds", "3", "--seed", "7"], "/d")).toMatchObject({
      only: ["power", "enqueue"],
      rounds: 3,
      seed: 7,
    });
  });

  test("name what is wrong", () => {
    expect(() => parseSoakOptions(["--only", "sleep"], "/d")).toThrow("--only sleep");
    expect(() => parseSoakOptions(["--minutes", "0"], "/d")).toThrow("--minutes 0");
    expect(() => parseSoakOptions(["--jobs", "many"], "/d")).toThrow("--jobs many");
  });
});

describe("what the soak computes", () => {
  test("the minutes are shared by the parts that are played", () => {
    const shareOf = (...words: string[]) => shareOfTime(parseSoakOptions(words, "/d"));
    expect(shareOf()).toBeNull();
    expect(shareOf("--minutes", "3", "--only", "chaos")).toBe(180_000);
    expect(shareOf("--minutes", "3", "--only", "chaos,power")).toBe(90_000);
    expect(shareOf("--minutes", String(PARTS.length))).toBe(60_000);
  });

  test("one seed gives one row of numbers, spread over the range", () => {
    const row = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 1_000 }, () => random.between(10, 20));
    };
    expect(row(42)).toEqual(row(42));
    expect(row(42)).not.toEqual(row(43));
    expect(Math.min(...row(42))).toBeGreaterThanOrEqual(10);
    expect(Math.min(...row(42))).toBeLessThan(10.1);
    expect(Math.max(...row(42))).toBeLessThan(20);
    expect(Math.max(...row(42))).toBeGreaterThan(19.9);
  });

  test("growth is that of the second half, from a plateau that one odd sample does not move", () => {
    const flat = Array.from({ length: 20 }, (_, index) => ({
      jobs: index * 10,
      megabytes: index < 5 ? index * 20 : 100,
    }));
    expect(measureGrowth(flat, 50)).toEqual({ plateauMegabytes: 100, endMegabytes: 100, slopePerJob: 0 });
    const odd = flat.map((sample) => (sample.jobs === 50 ? { ...sample, megabytes: 500 } : sample));
    expect(measureGrowth(odd, 50)?.plateauMegabytes).toBe(100);
    const climbing = flat.map((sample) => ({ ...sample, megabytes: sample.jobs }));
    expect(measureGrowth(climbing, 50)?.slopePerJob).toBeCloseTo(1);
    expect(measureGrowth(flat, 1_000)).toBeNull();
  });
});
