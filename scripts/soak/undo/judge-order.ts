/** Finds faults in an order and its undo, based on their records and on the log of effects. */
import type { Effect, Kills } from "./effect-log.ts";
import { type OrderPlan, STEPS } from "./plan-orders.ts";
import type { OrderRecord, UndoRecord } from "./read-orders.ts";

/** All that is known of one order. */
export interface OrderEnd {
  readonly plan: OrderPlan;
  readonly record: OrderRecord;
  /** What was done for this order, oldest first. */
  readonly effects: readonly Effect[];
}

/** In words, one for each fault. */
export function judgeOrder(end: OrderEnd, kills: Kills): readonly string[] {
  return [
    ...judgeEnd(end),
    ...judgeUndoJobs(end),
    ...judgeDone(end, kills),
    ...judgeUndone(end, kills),
    ...judgeTurns(end),
  ];
}

/** Checks that the order ended as planned, with the expected steps recorded. */
function judgeEnd({ plan: { failsAfter, cancelAtMs }, record }: OrderEnd): readonly string[] {
  const { state, steps, complaints } = record;
  const mayBe = [failsAfter === null ? "SUCCESS" : "DEAD", ...(cancelAtMs === null ? [] : ["CANCELLED"])];
  const left = { SUCCESS: STEPS.length, DEAD: failsAfter }[state];
  const expected = STEPS.slice(0, left ?? steps.length);
  // Its own failure is one of them.
  const allowed = state === "DEAD" && failsAfter !== null ? 1 : 0;
  return [
    ...(mayBe.includes(state) ? [] : [`it is ${state}, not ${mayBe.join(" or ")}`]),
    ...(isSame(steps, expected) ? [] : [`it is ${state} with ${list(steps)} on record, not ${list(expected)}`]),
    ...(complaints.length > allowed ? [`it failed by itself: ${complaints.join("; ")}`] : []),
  ];
}

/**
 * A DEAD or CANCELLED order with recorded steps has exactly one undo job, which undid all of them; other orders have
 * none.
 */
function judgeUndoJobs({ record: { state, steps, undoJobs } }: OrderEnd): readonly string[] {
  const expected = state === "SUCCESS" || steps.length === 0 ? 0 : 1;
  const count = `it is ${state} with ${list(steps)} on record and has ${undoJobs.length} undo jobs, not ${expected}`;
  return [...(undoJobs.length === expected ? [] : [count]), ...undoJobs.flatMap((undo) => judgeUndoJob(undo, steps))];
}

function judgeUndoJob({ jobId, state, undone, complaints }: UndoRecord, steps: readonly string[]): readonly string[] {
  const name = `its undo job ${jobId}`;
  const told = `${name} says that it undid ${list(undone)}, not ${list(steps.toReversed())}`;
  return [
    ...(state === "SUCCESS" ? [] : [`${name} is ${state}`]),
    ...(state !== "SUCCESS" || isSame(undone, steps.toReversed()) ? [] : [told]),
    ...(complaints.length === 0 ? [] : [`${name} failed by itself: ${complaints.join("; ")}`]),
  ];
}

/** Every recorded step was executed, and executed again only after a kill. */
function judgeDone({ record: { steps }, effects }: OrderEnd, kills: Kills): readonly string[] {
  const done = effects.filter(({ act }) => act === "do");
  const missing = steps.filter((step) => !done.some((effect) => effect.step === step));
  return [...missing.map((step) => `${step} is on record and was never done`), ...judgeRepeats(done, kills)];
}

/** Every recorded step of a DEAD or CANCELLED job was undone, and nothing else was. */
function judgeUndone({ record: { state, steps }, effects }: OrderEnd, kills: Kills): readonly string[] {
  const undone = effects.filter(({ act }) => act === "undo");
  const owed = state === "SUCCESS" ? [] : steps;
  const missing = owed.filter((step) => !undone.some((effect) => effect.step === step));
  const surplus = undone.filter(({ step }) => !owed.includes(step));
  const foreign = undone.filter((effect) => lastTicket(effects, effect.step) !== effect.ticket);
  return [
    ...missing.map((step) => `${step} is on record of a job that is ${state} and was never undone`),
    ...surplus.map(({ step, pid }) => `${step} was undone in process ${pid}, and is not to be undone`),
    ...foreign.map(
      ({ step, pid }) => `${step} was undone in process ${pid} with a result that is not the recorded one`,
    ),
    ...judgeRepeats(undone, kills),
  ];
}

/**
 * An effect is repeated only if a kill separated it from its record: in another process, after the previous one died.
 * So there is at most one more execution than there were kills.
 */
function judgeRepeats(effects: readonly Effect[], kills: Kills): readonly string[] {
  return [...Map.groupBy(effects, ({ step }) => step).values()].flatMap((lines) =>
    lines.slice(1).flatMap(({ act, step, pid, at }, index) => {
      const before = lines.slice(0, index + 1).map((line) => line.pid);
      const again = `${act} ${step} came again in process ${pid}`;
      if (before.includes(pid)) return [`${again}, which had done it`];
      const living = before.filter((one) => (kills.get(one) ?? Number.POSITIVE_INFINITY) > at);
      return living.map((one) => `${again} while process ${one} was alive, which had done it`);
    }),
  );
}

/** Steps are undone one by one, from the last recorded one to the first. */
function judgeTurns({ record: { steps }, effects }: OrderEnd): readonly string[] {
  const undone = effects.filter(({ act }) => act === "undo").map(({ step }) => step);
  const turns = undone.filter((step, index) => step !== undone[index - 1]);
  const expected = steps.toReversed().slice(0, turns.length);
  return isSame(turns, expected) ? [] : [`it was undone as ${list(undone)}, and has ${list(steps)} on record`];
}

/** The record holds the result of the last execution: a recorded step is not executed again. */
function lastTicket(effects: readonly Effect[], step: string): string | undefined {
  return effects.findLast((effect) => effect.act === "do" && effect.step === step)?.ticket;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "nothing" : items.join(" ");
}
