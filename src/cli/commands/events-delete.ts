import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { eventName } from "./events-emit.ts";

export const eventsDelete = defineCommand({
  meta: {
    name: "events delete",
    description: "Forget an event: who awaits it from now on waits until it is emitted again.",
  },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [{ name: "NAME", description: "The event's name", required: true }],
  examples: [{ command: "reseolio events delete packed:order-1001", does: "as if it had not happened" }],
  notes: [
    "Jobs that got its payload keep it. Exit codes: 3 it has not happened, 8 it is still being told to the jobs that waited for it.",
  ],
  async run(context) {
    const name = eventName(context.operands[0] ?? "");
    await withClient(context, async (client) => {
      const { deleted } = await client.events.deleteEvent({ name });
      if (!deleted) throw new CliError("not_found", `the event ${name} has not happened: there is nothing to delete`);
      await context.output.sheet({
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
