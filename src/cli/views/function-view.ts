import type { FunctionStats } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import type { Listing } from "../terminal/output.ts";
import { STATE_NAMES, type StateName, stateName } from "../text/job-states.ts";
import { STATE_PAINT } from "./state-paint.ts";

/** Number of jobs of a function in a state. */
export function countOf(stats: FunctionStats, state: StateName): number {
  return Number(stats.counts.find((one) => stateName(one.state) === state)?.count ?? 0n);
}

/** Number of jobs of all these functions, by state. */
export function totals(functions: readonly FunctionStats[]): Readonly<Record<StateName, number>> {
  const sums = STATE_NAMES.map((state) => [state, functions.reduce((sum, one) => sum + countOf(one, state), 0)]);
  return Object.fromEntries(sums) as Record<StateName, number>;
}

export const FUNCTIONS: Listing<FunctionStats> = {
  name: "functions",
  columns: [
    { header: "FUNCTION", value: (one) => one.functionName },
    ...STATE_NAMES.map((state) => ({
      header: state,
      align: "right" as const,
      value: (one: FunctionStats) => String(countOf(one, state)),
      paint: (one: FunctionStats) => (countOf(one, state) === 0 ? ("dim" as const) : STATE_PAINT[state]),
    })),
    {
      header: "WORKERS",
      align: "right",
      value: (one) => String(one.workers),
      paint: (one) => (one.workers === 0 && countOf(one, "PENDING") > 0 ? "red" : undefined),
    },
    { header: "FREE", align: "right", value: (one) => String(one.freeSlots) },
  ],
  json: (one) => ({
    functionName: one.functionName,
    jobs: Object.fromEntries(STATE_NAMES.map((state) => [state, countOf(one, state)])),
    workers: one.workers,
    freeSlots: one.freeSlots,
  }),
  id: (one) => one.functionName,
  empty: "no functions yet; a function appears with its first job or worker",
};
