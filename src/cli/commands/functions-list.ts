import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { onePage } from "../terminal/one-page.ts";
import { FUNCTIONS } from "../views/function-view.ts";

export const functionsList = defineCommand({
  meta: { name: "functions list", description: "List functions with their workers and their jobs by state." },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  examples: [
    { command: "reseolio functions list", does: "every function with jobs or workers" },
    { command: "reseolio functions list -q", does: "only names" },
  ],
  notes: ["Columns when piped: function, pending, running, suspended, success, dead, cancelled, workers, free slots."],
  async run(context) {
    const { output, messages } = context;
    const functions = await withClient(context, async (client) => (await client.daemon.listFunctions({})).functions);
    const count = await output.list(onePage(functions), FUNCTIONS);
    if (count === 0 && output.format === "table") messages.info(FUNCTIONS.empty);
  },
});
