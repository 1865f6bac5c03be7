import { describe, expect, test } from "bun:test";
import type { LoggerOptions } from "../../../src/daemon/logger.ts";
import { createLogger, redact } from "../../../src/daemon/logger.ts";

const AT = new Date("2026-11-21T09:08:07.006Z");

function record(options: Partial<LoggerOptions> = {}): { logger: ReturnType<typeof createLogger>; lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger({
    level: "debug",
    format: "json",
    now: () => AT,
    write: (line) => lines.push(line),
    ...options,
  });
  return { logger, lines };
}

describe("a line of JSON", () => {
  test("is one object with time, level, message and fields", () => {
    const { logger, lines } = record();
    logger.info("listening", {
      address: "127.0.0.1:1",
      count: 2,
      big: 5n,
      at: AT,
      none: null,
      list: [1, "x"],
      nan: Number.NaN,
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith("}\n")).toBe(true);
    expect(JSON.parse(lines[0]!)).toEqual({
      time: AT.toISOString(),
      level: "info",
      message: "listening",
      address: "127.0.0.1:1",
      count: 2,
      big: "5",
      at: AT.toISOString(),
      none: null,
      list: [1, "x"],
      nan: "NaN",
    });
  });

  test("keeps its time, level and message whatever fields say", () => {
    const { logger, lines } = record();
    logger.warn("real", { time: "x", level: "y", message: "z" });
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: "warn", message: "real", level_: "y", message_: "z" });
  });

  test("tells an error with its code, stack and causes", () => {
    const { logger, lines } = record();
    const error: Error & { code?: string } = new Error("outer", { cause: new TypeError("inner") });
    error.code = "EPIPE";
    logger.error("failed", { error });
    const told = JSON.parse(lines[0]!).error;
    expect(told).toMatchObject({ name: "Error", message: "outer", code: "EPIPE", cause: { name: "TypeError" } });
    expect(told.stack).toContain("logger.test.ts");
  });
});

describe("a line of text", () => {
  test("has time, level, message and fields, quoted where they need it", () => {
    const { logger, lines } = record({ format: "text" });
    logger.info("listening", { address: "127.0.0.1:1", why: "it is time", count: 2 });
    expect(lines).toEqual(['09:08:07.006 INFO  listening address=127.0.0.1:1 why="it is time" count=2\n']);
  });

  test("is followed by the stack of an error, indented, down to its cause", () => {
    const { logger, lines } = record({ format: "text" });
    logger.error("failed", { error: new Error("outer", { cause: new TypeError("inner") }) });
    const [head, ...stack] = lines.join("").trimEnd().split("\n");
    expect(head).toBe('09:08:07.006 ERROR failed error="Error: outer"');
    expect(stack.length).toBeGreaterThan(2);
    expect(stack.every((line) => line.startsWith("    "))).toBe(true);
    expect(stack).toContain("    caused by TypeError: inner");
  });
});

describe("what jobs and clients send", () => {
  const hostile = "a\r\n2026-11-21T00:00:00Z INFO forged\u001b]52;c;eA==\u0007\u009b31m\u202egnp.exe\u2028b\u0000";

  for (const format of ["text", "json"] as const) {
    test(`cannot forge a line, steer a terminal or turn its text: ${format}`, () => {
      const { logger, lines } = record({ format });
      logger.warn(hostile, { hostile, deep: { hostile: [hostile] }, error: new Error(hostile) });
      const text = lines.join("");
      expect(text.trimEnd()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029]/);
      expect(text.split("\n").filter((line) => line !== "" && !line.startsWith("    "))).toHaveLength(1);
      if (format === "json") expect(JSON.parse(text).hostile).toBe(hostile);
    });
  }
});

describe("secrets", () => {
  test("in URLs, parameters and headers are masked, also inside errors", () => {
    const secrets = [
      "postgres://me:hunter2@host/db",
      "postgres://me:hu@nter2@host/db",
      "postgres://me:hunter2@host/db?password=hunter2",
      "Authorization: Bearer hunter2",
      "token=hunter2",
      "connect to postgres://:hunter2@h failed",
    ];
    for (const format of ["text", "json"] as const) {
      const { logger, lines } = record({ format });
      for (const secret of secrets)
        logger.info(secret, { secret, error: new Error(secret, { cause: new Error(secret) }) });
      expect(lines.join("")).not.toMatch(/hunter|nter2/);
    }
    expect(redact("postgres://me:hunter2@host/db")).toBe("postgres://me:***@host/db");
  });

  test("but nothing that only looks like one", () => {
    for (const text of [
      "http://127.0.0.1:50051/readyz",
      "sqlite://./reseolio.db",
      "a@b.example",
      "the token is not ours",
    ]) {
      expect(redact(text)).toBe(text);
    }
  });
});

describe("a logger", () => {
  test("ends for what contains itself", () => {
    const endless: Error = new Error("endless");
    endless.cause = endless;
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    for (const format of ["text", "json"] as const) {
      const { logger, lines } = record({ format });
      logger.error("failed", { endless, cycle });
      expect(lines.join("").length).toBeLessThan(10_000);
    }
  });

  test("drops what is below its level", () => {
    const { logger, lines } = record({ level: "warn", format: "text" });
    logger.debug("d");
    logger.info("i");
    logger.warn("w");
    logger.error("e");
    expect(lines.map((line) => line.slice(13, 18).trim())).toEqual(["WARN", "ERROR"]);
  });

  test("of format auto writes text on a terminal and JSON elsewhere", () => {
    const terminal = record({ format: "auto", isTerminal: true });
    const pipe = record({ format: "auto", isTerminal: false });
    terminal.logger.info("x");
    pipe.logger.info("x");
    expect(terminal.lines[0]).toStartWith("09:08:07.006 INFO");
    expect(JSON.parse(pipe.lines[0]!)).toMatchObject({ message: "x" });
  });
});
