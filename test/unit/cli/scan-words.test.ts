import { describe, expect, test } from "bun:test";
import { defineCommand } from "../../../src/cli/command.ts";
import { CliError } from "../../../src/cli/exit.ts";
import { scanWords } from "../../../src/cli/flags/scan-words.ts";

const command = defineCommand({
  meta: { name: "jobs try", description: "" },
  args: {
    state: { type: "string", alias: "s", repeat: true },
    limit: { type: "string", alias: "n" },
    backoff: { type: "enum", options: ["fixed", "linear"] },
    quiet: { type: "boolean", alias: "q" },
    yes: { type: "boolean", alias: "y" },
    "max-attempts": { type: "string" },
  },
  operands: [
    { name: "NAME", description: "a name", required: true },
    { name: "ID", description: "ids", repeat: true },
  ],
  rest: { name: "COMMAND", description: "a program" },
  examples: [],
  run: () => Promise.resolve(),
});

function fault(...words: string[]): string {
  try {
    scanWords(words, command);
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 2) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${words.join(" ")}`);
}

describe("words of a command", () => {
  test("flags, operands and what follows -- are told apart", () => {
    const words = ["a:b", "--state", "dead", "-s=running", "-qy", "--limit=5", "one", "-", "--", "--state", "x"];
    expect(scanWords(words, command)).toEqual({
      flags: {
        state: ["dead", "running"],
        limit: "5",
        backoff: undefined,
        quiet: true,
        yes: true,
        "max-attempts": undefined,
      },
      operands: ["a:b", "one", "-"],
      rest: ["--state", "x"],
    });
  });

  test("a short flag takes its value attached, after = and as the next word", () => {
    for (const words of [["-n5"], ["-n=5"], ["-n", "5"], ["-qn5"]]) {
      expect(scanWords(["a", ...words], command).flags["limit"]).toBe("5");
    }
  });

  test("negative numbers and stdin are values, other words with a dash are not", () => {
    expect(scanWords(["a", "--limit", "-5"], command).flags["limit"]).toBe("-5");
    expect(scanWords(["a", "--limit", "-"], command).flags["limit"]).toBe("-");
    expect(scanWords(["a", "--limit=--yes"], command).flags["limit"]).toBe("--yes");
    expect(fault("a", "--limit", "--yes")).toBe("--limit requires a value");
    expect(fault("a", "--limit")).toBe("--limit requires a value");
  });

  test("values are kept as they are, also empty ones and those that look like flags or hold newlines", () => {
    expect(scanWords(["a", "--limit="], command).flags["limit"]).toBe("");
    expect(scanWords(["a", "--limit=a=b\n--no-quiet"], command).flags["limit"]).toBe("a=b\n--no-quiet");
  });

  test("an unknown flag is refused with a suggestion", () => {
    expect(fault("a", "--stat", "x")).toContain("unknown flag --stat; did you mean --state?");
    expect(fault("a", "--max-atempts=3")).toContain("did you mean --max-attempts?");
    expect(fault("a", "--zzz")).toBe("unknown flag --zzz");
    expect(fault("a", "-x")).toContain("unknown flag -x");
    expect(fault("a", "--maxAttempts=3")).toContain("unknown flag --maxAttempts");
    expect(fault("a", "--no-quiet")).toContain("unknown flag --no-quiet");
    expect(fault("a", "--constructor=1")).toContain("unknown flag --constructor");
  });

  test("a flag given twice is refused unless it is a list", () => {
    expect(fault("a", "--limit=1", "-n", "2")).toBe("-n was given more than once");
  });

  test("a boolean takes no value", () => {
    expect(fault("a", "--quiet=maybe")).toContain("--quiet does not take a value");
    expect(scanWords(["a", "--quiet=false"], command).flags["quiet"]).toBe(false);
  });

  test("a word that the flag does not know is refused with a suggestion", () => {
    expect(fault("a", "--backoff", "liner")).toBe(`invalid value for --backoff: "liner"; did you mean linear?`);
  });

  test("missing and surplus operands are named", () => {
    expect(fault()).toBe("missing argument NAME: a name");
    const strict = defineCommand({ ...command, operands: [{ name: "ID", description: "an id", required: true }] });
    expect(() => scanWords(["a", "b"], strict)).toThrow(`"b": reseolio jobs try takes only ID`);
  });
});
