import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { PAYLOAD_FLAG, readPayload } from "../flags/payload-flag.ts";
import { emittedEventRecord } from "../views/event-view.ts";

export const eventsEmit = defineCommand({
  meta: { name: "events emit", description: "Emit an event: jobs that await it, now or later, continue." },
  args: {
    ...PAYLOAD_FLAG,
    ...FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  operands: [{ name: "NAME", description: "The event's name, as the jobs await it", required: true }],
  examples: [
    { command: `reseolio events emit packed:order-1001 --payload '{"tracking": "1Z999"}'`, does: "with a payload" },
    { command: "make-report | reseolio events emit report:2026-11 --payload -", does: "with a payload from a program" },
  ],
  notes: [
    "An event is emitted once; its first payload is kept. Emitting it again wakes only jobs that await an event emitted after they started. The command then warns on stderr, prints the payload that is kept, and exits with 0, so that scripts can be run again.",
  ],
  async run(context) {
    const { flags, messages, output } = context;
    const name = eventName(context.operands[0] ?? "");
    const payload = await readPayload(flags.payload, (line) => messages.info(line));
    await withClient(context, async (client) => {
      const { event, created, woken } = await client.events.emitEvent({ name, payload });
      if (event === undefined) throw new CliError("failed", `the daemon returned no result for event ${name}`);
      if (!created) messages.warn(`event ${name} was already emitted: its first payload is kept`);
      await output.record(emittedEventRecord(event, { created, woken }));
    });
  },
});

/** @throws CliError `usage` */
export function eventName(text: string): string {
  if (text.trim() !== "") return text;
  throw usageError("the event's name is empty", 'use a name such as "packed:order-1001"');
}
