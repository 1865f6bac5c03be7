import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { eventRecord } from "../views/event-view.ts";
import { eventName } from "./events-emit.ts";

export const eventsGet = defineCommand({
  meta: { name: "events get", description: "Show an event that was emitted: its payload and time." },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [{ name: "NAME", description: "The event's name", required: true }],
  examples: [
    { command: "reseolio events get packed:order-1001", does: "its payload and time" },
    { command: "reseolio events get packed:order-1001 --json | jq .payload", does: "for a program" },
  ],
  notes: ["Exit code 3: it was not emitted, or is past its retention. The message says how many jobs wait for it."],
  async run(context) {
    const name = eventName(context.operands[0] ?? "");
    await withClient(context, async (client) => {
      const { event, waiting } = await client.events.getEvent({ name });
      if (event === undefined) throw notEmitted(name, waiting);
      await context.output.record(eventRecord(event, Date.now()));
    });
  },
});

function notEmitted(name: string, waiting: number): CliError {
  const waits =
    waiting === 0 ? "no job is waiting for it" : `${waiting} ${waiting === 1 ? "job is" : "jobs are"} waiting for it`;
  return new CliError("not_found", `event ${name} was not emitted; ${waits}`, {
    hint: `emit it with: reseolio events emit ${name} --payload JSON`,
  });
}
