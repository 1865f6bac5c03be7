/** Flags that select jobs. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { JobFilterSchema } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { CommandContext, Flags } from "../command.ts";
import { checkJobId } from "../text/job-id.ts";
import { toTimestamp } from "../text/timestamps.ts";
import { pastFlag } from "./parse-flag.ts";
import { parseStates } from "./parse-states.ts";

export type JobFilterInit = Exclude<MessageInitShape<typeof JobFilterSchema>, { $typeName: string }>;

export const FILTER_FLAGS = {
  state: {
    type: "string",
    alias: "s",
    valueHint: "STATE,…",
    repeat: true,
    description: "Only jobs in these states: pending, running, suspended, success, dead, cancelled",
  },
  function: { type: "string", alias: "f", valueHint: "NAME", repeat: true, description: "Only jobs of this function" },
  "idempotency-key": { type: "string", valueHint: "KEY", description: "Only jobs with this idempotency key" },
  schedule: { type: "string", valueHint: "NAME", description: "Only jobs of this schedule" },
  parent: { type: "string", valueHint: "ID", description: "Only child jobs of this job" },
  "created-after": {
    type: "string",
    valueHint: "TIME",
    description: "Only jobs created after this time; 2h means 2 hours ago",
  },
  "created-before": {
    type: "string",
    valueHint: "TIME",
    description: "Only jobs created before this time; 7d means 7 days ago",
  },
} as const satisfies Flags;

type FilterFlags = CommandContext<typeof FILTER_FLAGS>["flags"];

/** @throws CliError `usage` that names the flag */
export function readFilter(flags: FilterFlags, now: number): JobFilterInit {
  const createdAfter = pastFlag("created-after", flags["created-after"], now);
  const createdBefore = pastFlag("created-before", flags["created-before"], now);
  return {
    states: parseStates(flags.state),
    functionNames: [...flags.function],
    ...(flags["idempotency-key"] === undefined ? {} : { idempotencyKey: flags["idempotency-key"] }),
    ...(flags.schedule === undefined ? {} : { scheduleName: flags.schedule }),
    ...(flags.parent === undefined ? {} : { parentId: checkJobId(flags.parent) }),
    ...(createdAfter === undefined ? {} : { createdAfter: toTimestamp(createdAfter) }),
    ...(createdBefore === undefined ? {} : { createdBefore: toTimestamp(createdBefore) }),
  };
}

/** Whether any filter flag is set. */
export function hasFilter(flags: FilterFlags): boolean {
  return Object.keys(FILTER_FLAGS).some((name) => {
    const value = flags[name as keyof FilterFlags];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
}
