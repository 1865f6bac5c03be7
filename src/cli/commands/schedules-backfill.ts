import type { Client } from "../../sdk/transport/client.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { pastFlag } from "../flags/parse-flag.ts";
import { checkScheduleName } from "../flags/schedule-flags.ts";
import { confirm } from "../terminal/confirm.ts";
import type { Listing } from "../terminal/output.ts";
import { toTimestamp } from "../text/timestamps.ts";

const FLAGS = {
  from: { type: "string", valueHint: "TIME", description: "Ticks from this time on; 2d means 2 days ago" },
  to: { type: "string", valueHint: "TIME", description: "Ticks before this time [now]" },
  "dry-run": { type: "boolean", alias: "n", description: "Only print how many jobs would be enqueued" },
  yes: { type: "boolean", alias: "y", description: "Do not ask for confirmation; required without a terminal" },
  ...FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

export const schedulesBackfill = defineCommand({
  meta: {
    name: "schedules backfill",
    description: "Enqueue jobs for past ticks that have none yet, oldest first. Prints their IDs.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Schedule name", required: true }],
  examples: [
    {
      command: "reseolio schedules backfill daily-report --from 2026-11-01 --dry-run",
      does: "see how many are missing",
    },
    { command: "reseolio schedules backfill daily-report --from 3d --yes", does: "the last three days, from a script" },
  ],
  notes: [
    "A tick that has a job never gets a second one, so an interrupted backfill can be run again. Deleted jobs and jobs pruned after --retention count as missing: do not go back further than that, or check with --dry-run first. Each job carries the time of its tick in the header reseolio-scheduled-at.",
  ],
  run: backfill,
});

interface Window {
  readonly name: string;
  readonly from: number;
  /** Undefined means now, by the daemon's clock. */
  readonly to: number | undefined;
}

async function backfill(context: Context): Promise<void> {
  const { flags } = context;
  const window = readWindow(context);
  const needsConsent = !flags["dry-run"] && !flags.yes;
  if (needsConsent && !(context.output.interactive && process.stdin.isTTY)) {
    throw usageError(
      "cannot ask for confirmation: not a terminal",
      "pass --yes to confirm, or --dry-run to see how many jobs would be enqueued",
    );
  }
  await withClient(context, async (client) => {
    if (needsConsent && !(await ask(context, client, window))) return;
    await enqueue(context, client, window);
  });
}

function readWindow({ flags, operands }: Context): Window {
  const name = checkScheduleName(operands[0] ?? "");
  const now = Date.now();
  const from = pastFlag("from", flags.from, now);
  if (from === undefined) throw usageError("missing flag --from", "set the start time, such as --from 2d");
  const to = pastFlag("to", flags.to, now);
  if (to !== undefined && from >= to) {
    throw usageError(`--from ${flags.from} is not before --to ${flags.to}`);
  }
  return { name, from, to };
}

interface Slice {
  readonly count: number;
  readonly jobIds: readonly string[];
}

async function* slices(client: Client, window: Window, dryRun: boolean): AsyncGenerator<Slice> {
  const { name, from, to } = window;
  const request = { name, from: toTimestamp(from), ...(to === undefined ? {} : { to: toTimestamp(to) }), dryRun };
  let pageToken = "";
  do {
    const { count, jobIds, nextPageToken } = await client.schedules.backfillSchedule({ ...request, pageToken });
    yield { count, jobIds };
    pageToken = nextPageToken;
  } while (pageToken !== "");
}

async function ask({ messages }: Context, client: Client, window: Window): Promise<boolean> {
  let count = 0;
  for await (const slice of slices(client, window, true)) count += slice.count;
  if (count === 0) {
    messages.info("every tick in this period already has a job");
    return false;
  }
  const answer = await confirm(`enqueue ${jobs(count)} of schedule ${window.name}?`);
  if (answer === null) throw new CliError("interrupted", "interrupted; nothing was changed");
  if (!answer) messages.info("nothing was changed");
  return answer;
}

async function enqueue({ flags, messages, output }: Context, client: Client, window: Window): Promise<void> {
  const dryRun = flags["dry-run"];
  const progress = messages.progress(dryRun ? "found" : "enqueued");
  let count = 0;
  const pages = async function* (): AsyncGenerator<readonly string[]> {
    for await (const slice of slices(client, window, dryRun)) {
      count += slice.count;
      progress.update(count);
      yield slice.jobIds;
    }
  };
  try {
    if (output.format === "table" || dryRun) for await (const _page of pages());
    else await output.list(pages(), JOB_IDS, { acts: true });
  } finally {
    progress.end();
  }
  if (!dryRun) return messages.success(`${jobs(count)} enqueued`);
  if (output.isJson) await output.document({ count });
  else if (output.format !== "table") await output.text(`${count}\n`);
  messages.info(`dry run: ${jobs(count)} would be enqueued`);
}

function jobs(count: number): string {
  return count === 1 ? "1 job" : `${count} jobs`;
}

const JOB_IDS: Listing<string> = {
  name: "jobIds",
  columns: [{ header: "ID", value: (id) => id }],
  json: (id) => id,
  id: (id) => id,
  empty: "",
};
