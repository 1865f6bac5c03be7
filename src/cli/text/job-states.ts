import type { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";

// The numbers of the protocol, repeated here so that help does not load the generated code.
export const STATE_NUMBERS = {
  PENDING: 1,
  RUNNING: 2,
  SUSPENDED: 3,
  SUCCESS: 4,
  DEAD: 5,
  CANCELLED: 6,
} as const satisfies Record<Exclude<keyof typeof JobState, "UNSPECIFIED">, JobState>;

export type StateName = keyof typeof STATE_NUMBERS;

export const STATE_NAMES = Object.keys(STATE_NUMBERS) as readonly StateName[];

/** The name of a state; an unknown state of a newer daemon is shown as a number. */
export function stateName(state: JobState): StateName {
  return STATE_NAMES.find((name) => STATE_NUMBERS[name] === state) ?? (`STATE_${state}` as StateName);
}

export function isTerminal(name: StateName): boolean {
  return name === "SUCCESS" || name === "DEAD" || name === "CANCELLED";
}
