/** Counts the outcomes of a round of orders. */
import type { Effect } from "./effect-log.ts";
import type { OrderEnd } from "./judge-order.ts";

export interface UndoCounts {
  readonly orders: number;
  readonly succeeded: number;
  readonly dead: number;
  readonly cancelled: number;
  readonly undoJobs: number;
  readonly workerKills: number;
  readonly daemonKills: number;
  readonly undoLines: number;
  /** Undos that ran again because a kill came before their record. */
  readonly repeatedUndos: number;
  /** Steps that ran again because a kill came before their record. */
  readonly repeatedSteps: number;
}

export const NO_ORDERS: UndoCounts = countsOf([], 0, 0);

export function countsOf(ends: readonly OrderEnd[], workerKills: number, daemonKills: number): UndoCounts {
  const inState = (state: string): number => ends.filter(({ record }) => record.state === state).length;
  const linesOf = (act: Effect["act"]) => ends.map(({ effects }) => effects.filter((effect) => effect.act === act));
  return {
    orders: ends.length,
    succeeded: inState("SUCCESS"),
    dead: inState("DEAD"),
    cancelled: inState("CANCELLED"),
    undoJobs: ends.flatMap(({ record }) => record.undoJobs).length,
    ...{ workerKills, daemonKills },
    undoLines: linesOf("undo").flat().length,
    repeatedUndos: linesOf("undo").reduce((sum, lines) => sum + repeatsOf(lines), 0),
    repeatedSteps: linesOf("do").reduce((sum, lines) => sum + repeatsOf(lines), 0),
  };
}

export function sumOf(one: UndoCounts, other: UndoCounts): UndoCounts {
  const names = Object.keys(one) as (keyof UndoCounts)[];
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]] as const)) as unknown as UndoCounts;
}

export function describeCounts(counts: UndoCounts): string {
  const { orders, succeeded, dead, cancelled, undoJobs, workerKills, daemonKills, undoLines } = counts;
  return (
    `${orders} orders (${succeeded} succeeded, ${dead} dead, ${cancelled} cancelled; ${undoJobs} undo jobs) through ` +
    `${workerKills} kills of workers and ${daemonKills} of daemons; ${undoLines} undo lines, of which ` +
    `${counts.repeatedUndos} are repeats, and ${counts.repeatedSteps} repeats of steps`
  );
}

/** @param lines of one order */
function repeatsOf(lines: readonly Effect[]): number {
  return lines.length - new Set(lines.map(({ step }) => step)).size;
}
