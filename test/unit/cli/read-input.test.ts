import { describe, expect, test } from "bun:test";
import { jobOfLine } from "../../../src/cli/calls/enqueue-lines.ts";
import { CliError } from "../../../src/cli/exit.ts";
import { parseStates } from "../../../src/cli/flags/parse-states.ts";
import { argsBytes, linesOf, readTextFile } from "../../../src/cli/flags/read-input.ts";
import { checkJobId, shortId } from "../../../src/cli/text/job-id.ts";

function fault(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 2) return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("arguments", () => {
  test("are the very bytes that were given: the daemon stores them unread", () => {
    const text = ` [12345678901234567890, 1.0, "\\u00e9", {"a":1,"a":2}] \n`;
    expect(new TextDecoder().decode(argsBytes(text, "--args"))).toBe(text.trim());
  });

  test.each([
    ["[1,", `--args is not valid JSON: unexpected end of text at column 4 of "[1,"`],
    ["[1,\n2,\n]", `unexpected "]" at line 3, column 1`],
    [`{"a":1}`, "--args is not a JSON array"],
    ["null", "--args is not a JSON array"],
    [`"[1]"`, "--args is not a JSON array"],
    ["", "--args is not valid JSON"],
    ["x".repeat(500), `of "${"x".repeat(60)}…"`],
  ])("%p is refused with its place", (text, message) => {
    expect(fault(() => argsBytes(text, "--args"))).toContain(message);
  });

  test("a file that is not there is named", () => {
    expect(fault(() => readTextFile("/no/such/file", "--args"))).toContain("--args: cannot read /no/such/file");
  });
});

describe("lines", () => {
  const lines = async (...chunks: readonly (string | Uint8Array)[]): Promise<readonly string[]> => {
    const bytes = chunks.map((chunk) => (typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk));
    const pages: (readonly string[])[] = [];
    for await (const page of linesOf(iterate(bytes))) pages.push(page);
    return pages.flat();
  };

  async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
    yield* items;
  }

  test("are whole over the borders of chunks, also inside a character", async () => {
    const text = new TextEncoder().encode("grün\r\nblau\n\nrot");
    for (let at = 0; at <= text.length; at++) {
      expect(await lines(text.slice(0, at), text.slice(at))).toEqual(["grün", "blau", "", "rot"]);
    }
  });

  test("of nothing are none, and a last newline adds none", async () => {
    expect(await lines()).toEqual([]);
    expect(await lines("a\n")).toEqual(["a"]);
  });
});

describe("a line of --jsonl", () => {
  const defaults = { functionName: undefined, options: { maxAttempts: 9, headers: { d: "1" } } };

  test("becomes a job with an id of its own; options of the line win over those of the flags", () => {
    const job = jobOfLine(`{"function":"a:b","args":[12345678901234567890],"options":{"maxAttempts":2}}`, defaults);
    expect(new TextDecoder().decode(job.args)).toBe("[12345678901234567890]");
    expect(job).toMatchObject({ functionName: "a:b", options: { maxAttempts: 2, headers: { d: "1" } } });
    expect(job.jobId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(jobOfLine(`{"function":"a:b"}`, defaults).jobId).not.toBe(job.jobId);
  });

  test("without a function takes the one that was named", () => {
    expect(jobOfLine("{}", { ...defaults, functionName: "x:y" }).functionName).toBe("x:y");
  });

  test.each([
    ["{}", `"function" is missing`],
    [`{"function":1}`, `invalid "function": 1`],
    [`{"function":""}`, "the function name is empty"],
    [`{"function":"a","arg":[]}`, `unknown key "arg"; did you mean "args"?`],
    [`{"function":"a","args":{}}`, `"args" is not a JSON array`],
    [`{"function":"a","options":[]}`, `"options" is not an object`],
    [`[1]`, "the line is not a JSON object"],
    [`{"function":`, "the line is not valid JSON: unexpected end of text at column 13"],
  ])("%p is refused", (text, message) => {
    expect(fault(() => jobOfLine(text, defaults))).toContain(message);
  });

  test("too large arguments are refused before they are sent", () => {
    const text = JSON.stringify({ function: "a", args: ["x".repeat(1_100_000)] });
    expect(fault(() => jobOfLine(text, defaults))).toContain("the limit is 1048576");
  });
});

describe("an id", () => {
  const id = "019aa6cf-8e4b-7d2a-8000-000000000001";

  test("is whole, or at least its first 13 characters, in any case", () => {
    expect(checkJobId(id.toUpperCase())).toBe(id);
    expect(checkJobId(shortId(id))).toBe(id.slice(0, 18));
    expect(checkJobId(id.slice(0, 13))).toBe(id.slice(0, 13));
  });

  test.each(["", "019aa6cf", id.slice(0, 12), `${id}0`, "mail:send", "019aa6cf_8e4b_7d2a", "zzzzzzzz-zzzz-7"])(
    "%p is refused",
    (text) => {
      expect(fault(() => checkJobId(text))).toContain("not a valid job ID");
    },
  );
});

describe("states", () => {
  test("come by comma and by repetition, in any case", () => {
    expect(parseStates(["dead,Running", "PENDING"]).map(Number)).toEqual([5, 2, 1]);
  });

  test("an unknown one is refused with a suggestion", () => {
    expect(fault(() => parseStates(["deed"]))).toBe(`invalid value for --state: "deed"; did you mean DEAD?`);
    expect(fault(() => parseStates([""]))).toContain(`invalid value for --state: ""`);
  });
});
