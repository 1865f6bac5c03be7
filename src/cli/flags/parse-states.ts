import type { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { ScheduleState } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { usageError } from "../exit.ts";
import { STATE_NUMBERS } from "../text/job-states.ts";
import { SCHEDULE_STATE_NUMBERS } from "../text/schedule-states.ts";
import { didYouMean } from "../text/suggest.ts";

/** States of `--state DEAD,cancelled --state PENDING`, in any case. */
export function parseStates(values: readonly string[]): JobState[] {
  return parseNames(values, STATE_NUMBERS);
}

/** States of `--state active,paused`, in any case. */
export function parseScheduleStates(values: readonly string[]): ScheduleState[] {
  return parseNames(values, SCHEDULE_STATE_NUMBERS);
}

function parseNames<State extends number>(
  values: readonly string[],
  numbers: Readonly<Record<string, State>>,
): State[] {
  return values.flatMap((value) => value.split(",")).map((text) => parseName(text, numbers));
}

function parseName<State extends number>(text: string, numbers: Readonly<Record<string, State>>): State {
  const name = text.trim().toUpperCase();
  const number = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (number !== undefined) return number;
  const names = Object.keys(numbers);
  throw usageError(
    `invalid value for --state: ${JSON.stringify(text)}${didYouMean(name, names)}`,
    `valid values: ${names.join(", ")}`,
  );
}
