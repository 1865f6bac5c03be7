import type { ScheduleState } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Paint } from "../terminal/color.ts";
import { usageError } from "../exit.ts";
import { suggest } from "../flags/suggest.ts";

// Numbers of the protocol, written out so that help does not load the generated code.
const NUMBERS = { ACTIVE: 1, PAUSED: 2, DELETED: 3 } as const satisfies Record<
  Exclude<keyof typeof ScheduleState, "UNSPECIFIED">,
  ScheduleState
>;

export type ScheduleStateName = keyof typeof NUMBERS;

const NAMES = Object.keys(NUMBERS) as readonly ScheduleStateName[];

export const SCHEDULE_STATE_PAINT: Readonly<Record<ScheduleStateName, Paint>> = {
  ACTIVE: "green",
  PAUSED: "yellow",
  DELETED: "dim",
};

/** The name of a state; a state of a newer daemon is shown by its number. */
export function scheduleStateName(state: ScheduleState): ScheduleStateName {
  return NAMES.find((name) => NUMBERS[name] === state) ?? (`STATE_${state}` as ScheduleStateName);
}

/** States of `--state active,paused`, in any case. */
export function parseScheduleStates(values: readonly string[]): ScheduleState[] {
  return values.flatMap((value) => value.split(",")).map(parseState);
}

function parseState(text: string): ScheduleState {
  const word = text.trim().toUpperCase();
  const name = NAMES.find((one) => one === word);
  if (name !== undefined) return NUMBERS[name];
  const near = suggest(word, NAMES);
  const meant = near === undefined ? "" : `; did you mean ${near}?`;
  throw usageError(`--state is ${JSON.stringify(text)}${meant}`, `give some of: ${NAMES.join(", ")}`);
}
