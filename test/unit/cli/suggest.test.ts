import { describe, expect, test } from "bun:test";
import { editDistance, suggest } from "../../../src/cli/text/suggest.ts";

describe("a suggestion", () => {
  test.each([
    ["", "", 0],
    ["", "abc", 3],
    ["list", "lsit", 1],
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["same", "same", 0],
  ])("%p and %p are %d apart", (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
    expect(editDistance(to, from)).toBe(distance);
  });

  test("is the nearest word", () => {
    expect(suggest("enque", ["enqueue", "explain"])).toBe("enqueue");
    expect(suggest("wiat", ["wait", "watch"])).toBe("wait");
    expect(suggest("max-atempts", ["max-attempts", "max-delay"])).toBe("max-attempts");
    expect(suggest("idemp", ["idempotency-key", "jitter"])).toBe("idempotency-key");
  });

  test("is none when nothing is near", () => {
    expect(suggest("frobnicate", ["list", "get"])).toBeUndefined();
    expect(suggest("xy", ["list", "get"])).toBeUndefined();
  });
});
