import type { ScheduleState } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";

// The numbers of the protocol, repeated here so that help does not load the generated code.
export const SCHEDULE_STATE_NUMBERS = { ACTIVE: 1, PAUSED: 2, DELETED: 3 } as const satisfies Record<
  Exclude<keyof typeof ScheduleState, "UNSPECIFIED">,
  ScheduleState
>;

export type ScheduleStateName = keyof typeof SCHEDULE_STATE_NUMBERS;

const NAMES = Object.keys(SCHEDULE_STATE_NUMBERS) as readonly ScheduleStateName[];

/** The name of a state; an unknown state of a newer daemon is shown as a number. */
export function scheduleStateName(state: ScheduleState): ScheduleStateName {
  return NAMES.find((name) => SCHEDULE_STATE_NUMBERS[name] === state) ?? (`STATE_${state}` as ScheduleStateName);
}
