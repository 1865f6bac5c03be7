import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { eventName } from "./events-emit.ts";

export const eventsDelete = defineCommand({
  meta: {
    name: "events delete",
    description: "Delete an event: jobs that await it from now on wait until it is emitted again.",
  },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [{ name: "NAME", description: "The event's name", required: true }],
  examples: [{ command: "reseolio events delete packed:order-1001", does: "as if it had never been emitted" }],
  notes: [
    "Jobs that received its payload keep it. Exit codes: 3 it was not emitted, 8 it is still being delivered to the jobs that waited for it.",
  ],
  async run(context) {
    const name = eventName(context.operands[0] ?? "");
    await withClient(context, async (client) => {
      const { deleted } = await client.events.deleteEvent({ name });
      if (!deleted) throw new CliError("not_found", `event ${name} was not emitted: there is nothing to delete`);
      await context.output.record({
        id: name,
        json: { name, deleted },
        fields: [
          { label: "name", value: name },
          { label: "deleted", value: String(deleted), short: "yes" },
        ],
      });
    });
  },
});
