import type { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Paint } from "../terminal/color.ts";
import { usageError } from "../exit.ts";
import { suggest } from "../flags/suggest.ts";

// Numbers of the protocol, written out so that help does not load the generated code.
const NUMBERS = { PENDING: 1, RUNNING: 2, SUSPENDED: 3, SUCCESS: 4, DEAD: 5, CANCELLED: 6 } as const satisfies Record<
  Exclude<keyof typeof JobState, "UNSPECIFIED">,
  JobState
>;

export type StateName = keyof typeof NUMBERS;

export const STATE_NAMES = Object.keys(NUMBERS) as readonly StateName[];

export const STATE_PAINT: Readonly<Record<StateName, Paint | undefined>> = {
  PENDING: "yellow",
  RUNNING: "cyan",
  SUSPENDED: "dim",
  SUCCESS: "green",
  DEAD: "red",
  CANCELLED: "dim",
};

/** The name of a state; a state of a newer daemon is shown by its number. */
export function stateName(state: JobState): StateName {
  return STATE_NAMES.find((name) => NUMBERS[name] === state) ?? (`STATE_${state}` as StateName);
}

export function isTerminal(name: StateName): boolean {
  return name === "SUCCESS" || name === "DEAD" || name === "CANCELLED";
}

/** States of `--state DEAD,cancelled --state PENDING`, in any case. */
export function parseStates(values: readonly string[]): JobState[] {
  return values.flatMap((value) => value.split(",")).map(parseState);
}

function parseState(text: string): JobState {
  const name = STATE_NAMES.find((one) => one === text.trim().toUpperCase());
  if (name !== undefined) return NUMBERS[name];
  const near = suggest(text.trim().toUpperCase(), STATE_NAMES);
  const meant = near === undefined ? "" : `; did you mean ${near}?`;
  throw usageError(`--state is ${JSON.stringify(text)}${meant}`, `give some of: ${STATE_NAMES.join(", ")}`);
}
