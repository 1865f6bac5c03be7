import { describe, expect, test } from "bun:test";
import { MAX_DURATION_MS, WIRE_LIMITS } from "#proto/contract.ts";
import {
  checkFunctionName,
  type JobOptionsInput,
  LAST_TIME,
  resolveJobOptions,
} from "../../../src/daemon/core/job-options.ts";

function faults(input: JobOptionsInput): readonly string[] {
  return resolveJobOptions(input, "jobs[3].options").violations.map((one) => one.field);
}

function inSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

test("no options are the defaults", () => {
  const { options, violations } = resolveJobOptions({}, "options");
  expect(violations).toEqual([]);
  expect(options).toEqual({
    maxAttempts: 3,
    backoff: "exponential",
    initialDelayMs: 1_000,
    maxDelayMs: 60_000,
    jitter: 0.1,
    timeoutMs: 30_000,
    priority: 0,
    onDuplicate: "return_existing",
    idempotencyKey: null,
    headers: {},
    delayMs: null,
    runAt: null,
    startWithinMs: null,
    finishWithinMs: null,
  });
});

test("0 is 0, not the default", () => {
  const zeros = { initialDelayMs: 0, maxDelayMs: 0, jitter: 0, timeoutMs: 0, delayMs: 0, priority: 0 };
  const { options, violations } = resolveJobOptions(zeros, "options");
  expect(violations).toEqual([]);
  expect(options).toMatchObject(zeros);
});

describe("limits", () => {
  const cases: readonly (readonly [keyof JobOptionsInput, readonly unknown[], readonly unknown[]])[] = [
    ["maxAttempts", [1, 3, 0x7fff_ffff], [0, -1, 1.5, NaN, Infinity, 0x8000_0000]],
    ["initialDelayMs", [0, 0xffff_ffff], [-1, 0.5, NaN, 2 ** 32]],
    ["maxDelayMs", [0, 0xffff_ffff], [-1, 0.5, NaN, 2 ** 32]],
    ["timeoutMs", [0, 0xffff_ffff], [-1, 0.5, NaN, 2 ** 32]],
    ["delayMs", [0, MAX_DURATION_MS], [-1, 0.5, NaN, MAX_DURATION_MS + 1]],
    ["runAt", [0, Date.UTC(2100, 0), LAST_TIME], [-1, NaN, Infinity, LAST_TIME + 1]],
    ["priority", [-0x7fff_ffff, 0, 0x7fff_ffff], [0.5, NaN, 0x8000_0000, -0x8000_0000]],
    ["startWithinMs", [1, MAX_DURATION_MS], [0, -1, NaN, MAX_DURATION_MS + 1]],
    ["finishWithinMs", [1, MAX_DURATION_MS], [0, -1, NaN, MAX_DURATION_MS + 1]],
    ["jitter", [0, 0.5, 1], [-0.1, 1.1, NaN]],
    ["idempotencyKey", ["k", "x".repeat(512)], ["", "x".repeat(513), "é".repeat(257)]],
  ];
  for (const [name, good, bad] of cases) {
    for (const value of good) {
      test(`${name} may be ${shown(value)}`, () => expect(faults({ [name]: value })).toEqual([]));
    }
    for (const value of bad) {
      test(`${name} may not be ${shown(value)}`, () => {
        expect(faults({ [name]: value })).toEqual([`jobs[3].options.${inSnakeCase(name)}`]);
      });
    }
  }
});

function shown(value: unknown): string {
  const text = String(value);
  return text.length > 20 ? `${text.length} characters like ${text.slice(0, 3)}` : JSON.stringify(value);
}

test("a fault says what came and what is right", () => {
  const [violation] = resolveJobOptions({ maxAttempts: 0 }, "options").violations;
  expect(violation!.description).toContain("0");
  expect(violation!.description).toContain("from 1 to");
});

test("all faults come at once", () => {
  expect(faults({ maxAttempts: 0, jitter: 2, timeoutMs: -5 })).toHaveLength(3);
});

test("delayMs and runAt exclude each other", () => {
  expect(faults({ delayMs: 1, runAt: 1 })).toEqual(["jobs[3].options.delay_ms"]);
});

test("headers are counted in bytes, names and values together", () => {
  const half = WIRE_LIMITS.headersBytes / 2;
  expect(faults({ headers: { ["n".repeat(half)]: "v".repeat(half) } })).toEqual([]);
  expect(faults({ headers: { ["n".repeat(half)]: `${"v".repeat(half - 1)}é` } })).toEqual(["jobs[3].options.headers"]);
});

test("the header that marks undo jobs is the daemon's own", () => {
  expect(faults({ headers: { "reseolio-undo-of": "x" } })).toEqual(["jobs[3].options.headers"]);
  expect(faults({ headers: { "reseolio-undo": "x", other: "reseolio-undo-of" } })).toEqual([]);
});

describe("function names", () => {
  for (const name of ["orders:payment:charge", "a", "größe:🔑", "x".repeat(256)]) {
    test(`${name.slice(0, 25)} is fine`, () => expect(checkFunctionName(name, "functionName")).toEqual([]));
  }
  for (const name of ["", "   ", "\t\n", "x".repeat(257), "é".repeat(129)]) {
    test(`${JSON.stringify(name.slice(0, 10))} of ${name.length} characters is refused`, () => {
      const [violation] = checkFunctionName(name, "jobs[0].functionName");
      expect(violation!.field).toBe("jobs[0].functionName");
      expect(violation!.description).not.toBe("");
    });
  }
});
