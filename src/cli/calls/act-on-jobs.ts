/** Cancel, retry and delete: which jobs, whether really, and how it went. */
import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import type { AnyCommand, CommandContext, Example, Flags } from "../command.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../terminal/confirm.ts";
import { CONNECTION_FLAGS, withClient } from "./connection.ts";
import { CliError, usageError } from "../exit.ts";
import { FILTER_FLAGS, hasFilter, type JobFilterInit, readFilter } from "../flags/job-filter.ts";
import { resolveJobIds } from "../views/job-id.ts";
import { type StateName, stateName } from "../views/job-states.ts";
import { JOB_LISTING } from "../views/job-view.ts";
import { FORMAT_FLAGS, type Listing } from "../terminal/output.ts";
import { readIds } from "../flags/read-ids.ts";

interface ActPage {
  readonly jobIds: readonly string[];
  readonly nextPageToken: string;
}

interface ActRequest {
  readonly filter: JobFilterInit;
  readonly dryRun: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
}

/** One of the acts in words and calls. */
export interface Act {
  readonly verb: "cancel" | "retry" | "delete";
  readonly done: string;
  readonly description: string;
  /** What a job must be for it, as in "is SUCCESS: only … can be …". */
  readonly needs: string;
  /** Whether a job of this state can be acted on, if nothing else stands in the way. */
  readonly allows: (state: StateName) => boolean;
  /** The same of a job that undoes another one's steps, where more is needed. */
  readonly needsOfUndo?: string;
  readonly call: (client: Client, request: ActRequest) => Promise<ActPage>;
  readonly examples: readonly Example[];
  readonly notes: readonly string[];
}

const ACT_FLAGS = {
  ...FILTER_FLAGS,
  all: { type: "boolean", alias: "a", description: "Every job; without it some filter or id is needed" },
  "dry-run": { type: "boolean", alias: "n", description: "Only say how many and which" },
  yes: { type: "boolean", alias: "y", description: "Do not ask; needed off a terminal for filters and stdin" },
  ...FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

type Context = CommandContext<typeof ACT_FLAGS>;

/** The command for an act. */
export function actCommand(act: Act): AnyCommand {
  return defineCommand({
    meta: { name: `jobs ${act.verb}`, description: act.description },
    args: ACT_FLAGS,
    operands: [{ name: "ID", description: "Ids or their first characters; - reads them from stdin", repeat: true }],
    examples: act.examples,
    notes: [
      ...act.notes,
      `Prints the ids of the jobs that it ${act.done}, or with --dry-run would have. Ids given as words are not asked about. Exit codes: 3 an id is unknown, 8 a job's state does not allow it; the others are ${act.done} all the same.`,
    ],
    run: (context) => run(act, context),
  });
}

type Selection =
  | { readonly kind: "ids"; readonly ids: readonly string[]; readonly fromStdin: boolean }
  | { readonly kind: "filter"; readonly filter: JobFilterInit };

async function run(act: Act, context: Context): Promise<void> {
  checkSelection(act, context);
  const fromStdin = context.operands.includes("-");
  const needsConsent = !context.flags["dry-run"] && !context.flags.yes && (context.operands.length === 0 || fromStdin);
  if (needsConsent && (fromStdin || !canAsk(context))) throw refusal(act);
  const selection = await readSelection(context, fromStdin);
  await withClient(context, async (client) => {
    if (needsConsent && selection.kind === "filter" && !(await askAbout(act, context, client, selection.filter)))
      return;
    if (selection.kind === "filter") await actOnFilter(act, context, client, selection.filter);
    else await actOnIds(act, context, client, selection.ids);
  });
}

function checkSelection(act: Act, { flags, operands }: Context): void {
  const filtered = hasFilter(flags) || flags.all;
  if (operands.length > 0 && filtered) throw usageError("ids and filters exclude each other", "give one of them");
  if (hasFilter(flags) && flags.all) throw usageError("--all and filters exclude each other", "give one of them");
  if (operands.length === 0 && !filtered) {
    throw usageError(
      `nothing chosen to ${act.verb}`,
      "give ids, - for ids on stdin, filters such as --state or --function, or --all",
    );
  }
}

async function readSelection({ flags, operands, messages }: Context, fromStdin: boolean): Promise<Selection> {
  if (operands.length === 0) return { kind: "filter", filter: readFilter(flags, Date.now()) };
  return { kind: "ids", ids: await readIds(operands, messages), fromStdin };
}

function canAsk({ output }: Context): boolean {
  return output.interactive && process.stdin.isTTY;
}

function refusal(act: Act): CliError {
  return usageError(
    `reseolio jobs ${act.verb} would act on many jobs and there is nobody to ask`,
    "add --yes to do it, or --dry-run to see what it would do",
  );
}

const PAGE = 1_000;
const SAMPLE = 5;

async function askAbout(act: Act, context: Context, client: Client, filter: JobFilterInit): Promise<boolean> {
  const { messages } = context;
  const progress = messages.progress("found");
  const sample: string[] = [];
  let count = 0;
  for await (const page of slices(act, client, filter, true)) {
    sample.push(...page.slice(0, SAMPLE - sample.length));
    count += page.length;
    progress.update(count);
  }
  progress.end();
  if (count === 0) {
    messages.info(`no job to ${act.verb} matches`);
    return false;
  }
  for (const line of await describeSample(client, sample)) messages.info(`  ${line}`);
  if (count > sample.length) messages.info(`  and ${count - sample.length} more`);
  const answer = await confirm(`${act.verb} ${count === 1 ? "this job" : `these ${count} jobs`}?`);
  if (answer === null) throw new CliError("interrupted", "interrupted; nothing was done");
  if (!answer) messages.info("nothing was done");
  return answer;
}

/** What a person needs to know an id by. */
async function describeSample(client: Client, ids: readonly string[]): Promise<readonly string[]> {
  const { jobs } = await client.jobs.listJobs({ filter: { jobIds: [...ids] }, pageSize: SAMPLE });
  return jobs.map((job) => `${job.jobId}  ${job.functionName}  ${stateName(job.state)}`);
}

async function* slices(
  act: Act,
  client: Client,
  filter: JobFilterInit,
  dryRun: boolean,
): AsyncGenerator<readonly string[]> {
  let pageToken = "";
  do {
    const page = await act.call(client, { filter, dryRun, pageSize: PAGE, pageToken });
    yield page.jobIds;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

const ID_LISTING: Listing<string> = {
  name: "jobIds",
  columns: [{ header: "ID", value: (id) => id }],
  json: (id) => id,
  id: (id) => id,
  empty: "",
};

async function actOnFilter(act: Act, context: Context, client: Client, filter: JobFilterInit): Promise<void> {
  const { messages, output, flags } = context;
  const dryRun = flags["dry-run"];
  const progress = messages.progress(act.done);
  let count = 0;
  const counted = async function* (): AsyncGenerator<readonly string[]> {
    for await (const page of slices(act, client, filter, dryRun)) {
      count += page.length;
      progress.update(count);
      yield page;
    }
  };
  try {
    await show(context, client, counted());
  } finally {
    progress.end();
  }
  if (dryRun && output.format === "table" && count === 0) messages.info(`no job to ${act.verb} matches`);
  else report(act, context, count);
}

/** A terminal gets a sample of a dry run and nothing of the act itself: the count says enough. */
async function show(
  { output, flags }: Context,
  client: Client,
  pages: AsyncIterable<readonly string[]>,
): Promise<void> {
  if (output.format !== "table") {
    await output.list(pages, ID_LISTING, { acts: !flags["dry-run"] });
    return;
  }
  const sample: string[] = [];
  for await (const page of pages) sample.push(...page.slice(0, SAMPLE - sample.length));
  if (!flags["dry-run"] || sample.length === 0) return;
  const { jobs } = await client.jobs.listJobs({ filter: { jobIds: sample }, pageSize: SAMPLE });
  await output.rows(jobs, JOB_LISTING);
}

function report(act: Act, { messages, flags }: Context, count: number): void {
  const jobs = count === 1 ? "1 job" : `${count} jobs`;
  if (flags["dry-run"]) messages.info(`${jobs} would be ${act.done}; this was a dry run`);
  else messages.success(`${jobs} ${act.done}`);
}

async function actOnIds(act: Act, context: Context, client: Client, ids: readonly string[]): Promise<void> {
  const jobIds = await resolveJobIds(client, ids);
  const done = new Set<string>();
  const pages = async function* (): AsyncGenerator<readonly string[]> {
    for (let at = 0; at < jobIds.length; at += PAGE) {
      const slice = jobIds.slice(at, at + PAGE);
      for await (const page of slices(act, client, { jobIds: slice }, context.flags["dry-run"])) {
        for (const id of page) done.add(id);
        yield page;
      }
    }
  };
  await show(context, client, pages());
  const missed = jobIds.filter((id) => !done.has(id));
  if (missed.length === 0) return report(act, context, done.size);
  throw await explainMissed(act, client, missed, done.size);
}

/** Why the act left some ids out: unknown, or in a state that does not allow it. */
async function explainMissed(act: Act, client: Client, missed: readonly string[], done: number): Promise<CliError> {
  const found = new Map<string, Job>();
  for (let at = 0; at < missed.length; at += PAGE) {
    const page = await client.jobs.listJobs({ filter: { jobIds: missed.slice(at, at + PAGE) }, pageSize: PAGE });
    for (const job of page.jobs) found.set(job.jobId, job);
  }
  const lines: string[] = [];
  for (const id of missed.slice(0, SAMPLE)) lines.push(await reasonMissed(act, client, id, found.get(id)));
  if (missed.length > SAMPLE) lines.push(`and ${missed.length - SAMPLE} more`);
  const unknown = missed.some((id) => !found.has(id));
  const rest = done === 0 ? "" : `; ${done} ${act.done}`;
  return new CliError(unknown ? "not_found" : "conflict", `${lines.join("\n")}${rest}`);
}

async function reasonMissed(act: Act, client: Client, id: string, job: Job | undefined): Promise<string> {
  if (job === undefined) return `no job has the id ${id}`;
  if (!act.allows(stateName(job.state))) return `job ${id} is ${stateName(job.state)}: ${act.needs}`;
  if (job.undoOf !== "" && act.needsOfUndo !== undefined)
    return `job ${id} undoes steps of job ${job.undoOf}: ${act.needsOfUndo}`;
  // What is being undone stands in the way, or it changed this moment: the daemon knows.
  return (await client.jobs.explainJob({ jobId: id })).summary;
}
