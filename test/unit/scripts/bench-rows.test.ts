import { describe, expect, test } from "bun:test";
import { parseBenchOptions } from "../../../scripts/bench/options.ts";
import { Recorder } from "../../../scripts/bench/recorder.ts";
import { rowSpecs } from "../../../scripts/bench/row-specs.ts";
import { formatNumber, judgeRows, type RowSpec } from "../../../scripts/bench/rows.ts";
import { FULL_SCALE } from "../../../scripts/bench/scale.ts";
import { renderTable } from "../../../scripts/bench/table.ts";

function recorded(values: Readonly<Record<string, readonly number[]>>): Recorder {
  const recorder = new Recorder();
  for (const [key, each] of Object.entries(values)) for (const value of each) recorder.add(key, value);
  return recorder;
}

function verdicts(values: Readonly<Record<string, readonly number[]>>): Readonly<Record<string, boolean | null>> {
  const rows = judgeRows(recorded(values), rowSpecs(FULL_SCALE));
  return Object.fromEntries(rows.map((row) => [row.key, row.isMet]));
}

describe("rows of the benchmark", () => {
  test("are judged by the median of the rounds, with the range beside it", () => {
    const spec: RowSpec = { key: "a", group: "g", label: "l", unit: "/s", target: { kind: "at_least", value: 10 } };
    expect(judgeRows(recorded({ a: [30, 9, 11] }), [spec])).toEqual([
      {
        key: "a",
        group: "g",
        label: "l",
        unit: "/s",
        median: 11,
        min: 9,
        max: 30,
        rounds: 3,
        target: ">= 10",
        isMet: true,
      },
    ]);
    expect(judgeRows(recorded({ a: [30, 9, 9] }), [spec])[0]?.isMet).toBe(false);
    expect(judgeRows(recorded({}), [spec])).toEqual([]);
  });

  test("a single enqueue is held against frame and commit of its own round", () => {
    expect(verdicts({ "empty/enqueue-1/overhead": [1.2, 1.5, 9] })["empty/enqueue-1/overhead"]).toBe(true);
    expect(verdicts({ "empty/enqueue-1/overhead": [1.2, 1.6, 9] })["empty/enqueue-1/overhead"]).toBe(false);
  });

  test("memory is held against the plateau of the same run", () => {
    expect(verdicts({ "memory/plateau": [100], "memory/end": [150], "memory/slope": [2] })).toMatchObject({
      "memory/end": true,
      "memory/slope": true,
    });
    expect(verdicts({ "memory/plateau": [100], "memory/end": [151], "memory/slope": [2.1] })).toMatchObject({
      "memory/end": false,
      "memory/slope": false,
    });
  });

  test("Node's figures are shown and not judged, and a full database is judged by its share only", () => {
    const keys = rowSpecs(FULL_SCALE)
      .filter((spec) => spec.target !== undefined)
      .map((spec) => spec.key);
    expect(keys.filter((key) => key.startsWith("node/"))).toEqual([]);
    expect(keys.filter((key) => key.startsWith("finished/")).every((key) => key.endsWith("/ratio"))).toBe(true);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("the table shows a verdict where there is one, under the heading of the group", () => {
    const rows = judgeRows(recorded({ "limits/fsync": [4000], "idle/rss": [80] }), rowSpecs(FULL_SCALE));
    const lines = renderTable(rows).trim().split("\n");
    expect(lines[0]).toBe("Physical limits of this run");
    expect(lines[1]).toMatch(/^ {2}4 KiB append \+ fsync +4,000 \/s$/);
    expect(lines.at(-1)).toMatch(/memory of an idle daemon +80 MB +FAIL <= 70$/);
  });

  test("numbers keep the digits that matter", () => {
    expect([45123.4, 0.12345, 1.5, 99.95, 0].map(formatNumber)).toEqual(["45,123", "0.123", "1.5", "100", "0"]);
  });
});

describe("options of the benchmark", () => {
  test("have defaults, and a quick run has one round", () => {
    expect(parseBenchOptions([], "/d")).toMatchObject({
      quick: false,
      rounds: 5,
      only: [],
      json: null,
      directory: "/d",
    });
    expect(parseBenchOptions(["--quick"], "/d").rounds).toBe(1);
    expect(parseBenchOptions(["--quick", "--rounds", "3"], "/d").rounds).toBe(3);
    expect(parseBenchOptions(["--only", "core,lists", "--only", "start"], "/d").only).toEqual([
      "core",
      "lists",
      "start",
    ]);
  });

  test("name what is wrong", () => {
    expect(() => parseBenchOptions(["--rounds", "0"], "/d")).toThrow("--rounds 0");
    expect(() => parseBenchOptions(["--only", "drain"], "/d")).toThrow("--only drain");
    expect(() => parseBenchOptions(["--fast"], "/d")).toThrow("--fast");
  });
});
