/** When a replay that is held may take an answer in another order than before. */
import { expect, test } from "bun:test";
import type { Placed } from "../../../src/sdk/replay/checkpoint-journal.ts";
import { ReplayWatch, type ReplayWatchPort } from "../../../src/sdk/replay/replay-watch.ts";
import { until } from "./waiting.ts";
import { checkpoint } from "./workflow-world.ts";

function placed(name: string, prompt: boolean): Placed {
  return { record: { ...checkpoint("choice", name), seq: 1, asked: 1, alone: false, prompt }, op: 7 };
}

/** A replay that is held by the first record for 60 ms, and then by the second until it takes an answer. */
async function heldMs(prompt: boolean): Promise<number> {
  const [first, second] = [placed("first", true), placed("second", prompt)];
  let head = first;
  let answeredAt = 0;
  const sequence = {
    get head() {
      return head;
    },
    outstanding: 1,
    isAwaitingAnswer: false,
    left: [],
    isRequested: () => false,
    answerAnyway() {
      if (head === second) answeredAt = performance.now();
      return true;
    },
  };
  const port = {
    sequence,
    fresh: [],
    isReplayOnly: false,
    patienceMs: () => 24_000,
    mismatch: () => {},
    warn: () => {},
  };
  // Only what the watch reads of a sequence.
  const watch = new ReplayWatch(port as unknown as ReplayWatchPort);
  watch.onHeld(first);
  await Bun.sleep(60);
  head = second;
  const since = performance.now();
  watch.onHeld(second);
  await until(() => answeredAt > 0);
  watch.stop();
  return answeredAt - since;
}

test("P11: soon after a record began to hold it that was asked for promptly, whatever held it before", async () => {
  const ms = await heldMs(true);
  expect(ms).toBeGreaterThanOrEqual(99);
  expect(ms).toBeLessThan(700);
});

test("P11: a second after another one, before a handler that has returned is given up on", async () => {
  const ms = await heldMs(false);
  expect(ms).toBeGreaterThanOrEqual(999);
  expect(ms).toBeLessThan(1_800);
});
