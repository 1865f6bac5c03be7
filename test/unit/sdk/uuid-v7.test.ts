import { describe, expect, test } from "bun:test";
import { createUuidV7, isUuid, uuidV7 } from "#proto/uuid-v7.ts";

describe("job ids", () => {
  test("are UUIDs of version 7 that carry the time", () => {
    const next = createUuidV7(() => 0x0123_4567_89ab);
    const id = next();
    expect(id).toMatch(/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(isUuid(id)).toBe(true);
    expect(isUuid(id.toUpperCase())).toBe(false);
    expect(isUuid(`${id}0`)).toBe(false);
  });

  test("only go up within a millisecond, past the end of its counter, and when the clock goes back", () => {
    let now = 1_000_000;
    const next = createUuidV7(() => now);
    const ids: string[] = [];
    for (let count = 0; count < 10_000; count++) ids.push(next());
    now -= 500;
    for (let count = 0; count < 10_000; count++) ids.push(next());
    now += 100_000;
    ids.push(next());
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("do not repeat their random part", () => {
    const tails = new Set(Array.from({ length: 50_000 }, () => uuidV7().slice(19)));
    expect(tails.size).toBe(50_000);
  });
});
