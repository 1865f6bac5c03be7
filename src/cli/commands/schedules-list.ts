import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ListSchedulesRequestSchema, Schedule } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { numberFlag } from "../flags/parse-flag.ts";
import { parseScheduleStates } from "../flags/parse-states.ts";
import { NAME_FORMAT_FLAGS } from "../flags/schedule-flags.ts";
import { SCHEDULE_LISTING } from "../views/schedule-view.ts";

const DEFAULT_LIMIT = 50;
const PAGE = 1_000;

export const schedulesList = defineCommand({
  meta: { name: "schedules list", description: "List schedules by name, with their next tick and last outcome." },
  args: {
    state: {
      type: "string",
      alias: "s",
      valueHint: "STATE,…",
      repeat: true,
      description: "Only schedules in these states: active, paused, deleted [active, paused]",
    },
    function: { type: "string", alias: "f", valueHint: "NAME", description: "Only schedules of this function" },
    limit: { type: "string", alias: "n", valueHint: "N", description: `Show at most this many [${DEFAULT_LIMIT}]` },
    all: { type: "boolean", alias: "a", description: "Show all, without a limit" },
    ...NAME_FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  examples: [
    { command: "reseolio schedules list", does: "active and paused schedules" },
    {
      command: "reseolio schedules list -s paused -q | reseolio schedules resume - --yes",
      does: "resume all paused schedules",
    },
    { command: "reseolio schedules list --all --json | jq '.schedules[].nextRunAt'", does: "for a program" },
  ],
  notes: ["Columns when piped: name, function, state, cron, zone, next, last, outcome, error."],
  async run(context) {
    const { flags, messages, output } = context;
    const request = { states: parseScheduleStates(flags.state), functionName: flags.function ?? "" };
    const given = numberFlag("limit", flags.limit, { min: 1, max: Number.MAX_SAFE_INTEGER, whole: true });
    if (flags.all && given !== undefined) throw usageError("use either --all or --limit, not both");
    const limit = flags.all ? Number.POSITIVE_INFINITY : (given ?? DEFAULT_LIMIT);
    // No hint for users who set a limit themselves.
    const onMore = (total: number): void => {
      if (given === undefined) messages.info(`only ${limit} of ${total} are shown; use --limit N or --all to see more`);
    };
    const count = await withClient(context, (client) =>
      output.list(listSchedules(client, request, limit, onMore), SCHEDULE_LISTING),
    );
    if (count === 0 && output.format === "table") messages.info(SCHEDULE_LISTING.empty);
  },
});

type ListInit = Exclude<MessageInitShape<typeof ListSchedulesRequestSchema>, { $typeName: string }>;

async function* listSchedules(
  client: Client,
  request: ListInit,
  limit: number,
  onMore: (total: number) => void,
): AsyncGenerator<readonly Schedule[]> {
  let pageToken = "";
  let total = 0;
  for (let left = limit; left > 0;) {
    const page = await client.schedules.listSchedules({ ...request, pageSize: Math.min(PAGE, left), pageToken });
    left -= page.schedules.length;
    ({ nextPageToken: pageToken, total } = page);
    yield page.schedules;
    if (pageToken === "") return;
  }
  onMore(total);
}
