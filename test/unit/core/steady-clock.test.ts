import { expect, test } from "bun:test";
import { SteadyClock } from "../../../src/daemon/core/steady-clock.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const HOUR = 3_600_000;

/** A machine whose hands move together until one of them is set. */
function machine(canTellBoot = true) {
  const hands = new ManualClock();
  let slept = 0;
  const clock = new SteadyClock({
    wall: () => hands.now(),
    monotonic: () => hands.monotonic(),
    sinceBoot: () => (canTellBoot ? hands.monotonic() + slept : null),
  });
  return {
    hands,
    clock,
    sleep(ms: number) {
      slept += ms;
      hands.jumpTo(hands.now() + ms);
    },
  };
}

test.each([HOUR, -HOUR])("goes on as before when the wall clock is set by %d ms, until the step is adopted", (step) => {
  const { hands, clock } = machine();
  const before = clock.now();
  hands.advance(1_000);
  hands.jumpTo(hands.now() + step);
  expect(clock.now()).toBe(before + 1_000);
  hands.advance(60_000);
  expect(clock.now()).toBe(before + 61_000);
  expect(clock.heldStep).toBe(step);
  clock.adopt(step);
  expect(clock.now()).toBe(hands.now());
  expect(clock.heldStep).toBe(0);
});

test("two steps before one is adopted are both held", () => {
  const { hands, clock } = machine();
  hands.jumpTo(hands.now() + HOUR);
  expect(clock.heldStep).toBe(HOUR);
  hands.jumpTo(hands.now() - 3 * HOUR);
  clock.adopt(HOUR);
  expect(clock.heldStep).toBe(-3 * HOUR);
});

test("follows the wall clock at once when the machine slept, or was slewed by less than a step", () => {
  const { hands, clock, sleep } = machine();
  sleep(8 * HOUR);
  expect(clock.now()).toBe(hands.now());
  for (let round = 0; round < 1_000; round++) {
    hands.advance(10_000);
    hands.jumpTo(hands.now() + 5);
    expect(clock.now()).toBe(hands.now());
  }
});

test("a step while the machine slept is measured by the time since boot", () => {
  const { hands, clock, sleep } = machine();
  sleep(8 * HOUR);
  hands.jumpTo(hands.now() + HOUR);
  expect(clock.heldStep).toBe(HOUR);
});

test("follows the wall clock where nobody tells the time since boot", () => {
  const { hands, clock } = machine(false);
  hands.jumpTo(hands.now() + HOUR);
  expect(clock.now()).toBe(hands.now());
});
