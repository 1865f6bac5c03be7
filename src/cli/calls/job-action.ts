/** Cancel, retry and delete: selects the jobs, asks for confirmation, performs the action and reports the outcome. */
import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { type AnyCommand, type CommandContext, defineCommand, type Example, type Flags } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { FILTER_FLAGS, hasFilter, type JobFilterInit, readFilter } from "../flags/job-filter.ts";
import { readIds } from "../flags/read-ids.ts";
import { confirm } from "../terminal/confirm.ts";
import type { Listing } from "../terminal/output.ts";
import { counted } from "../text/counted.ts";
import { type StateName, stateName } from "../text/job-states.ts";
import { JOB_LISTING } from "../views/job-view.ts";
import { CONNECTION_FLAGS, withClient } from "./connection.ts";
import { resolveJobIds } from "./resolve-job-ids.ts";

interface ActionPage {
  readonly jobIds: readonly string[];
  readonly nextPageToken: string;
}

interface ActionRequest {
  readonly filter: JobFilterInit;
  readonly dryRun: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
}

/** What differs between the actions. */
export interface JobAction {
  readonly verb: "cancel" | "retry" | "delete";
  readonly done: string;
  readonly description: string;
  /** The condition on a job's state, as in "is SUCCESS: only … can be …". */
  readonly needs: string;
  /** Whether the state of a job allows the action, if nothing else prevents it. */
  readonly allows: (state: StateName) => boolean;
  /** The additional condition on an undo job, if there is one. */
  readonly undoCondition?: string;
  readonly call: (client: Client, request: ActionRequest) => Promise<ActionPage>;
  readonly examples: readonly Example[];
  readonly notes: readonly string[];
}

const ACTION_FLAGS = {
  ...FILTER_FLAGS,
  all: { type: "boolean", alias: "a", description: "Every job; otherwise IDs or filters are required" },
  "dry-run": { type: "boolean", alias: "n", description: "Only show how many jobs, and which" },
  yes: {
    type: "boolean",
    alias: "y",
    description: "Do not ask for confirmation; required for IDs from stdin, and for filters without a terminal",
  },
  ...FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

type Context = CommandContext<typeof ACTION_FLAGS>;

/** The command for an action. */
export function jobActionCommand(action: JobAction): AnyCommand {
  return defineCommand({
    meta: { name: `jobs ${action.verb}`, description: action.description },
    args: ACTION_FLAGS,
    operands: [{ name: "ID", description: "Job IDs or their first characters; - reads them from stdin", repeat: true }],
    examples: action.examples,
    notes: [
      ...action.notes,
      `Prints the IDs of the jobs that were ${action.done}, or with --dry-run those that would be. IDs given as arguments need no confirmation. Exit codes: 3 an ID is unknown, 8 the state of a job does not allow it; the other jobs are ${action.done} nevertheless.`,
    ],
    run: (context) => run(action, context),
  });
}

type Selection =
  | { readonly kind: "ids"; readonly ids: readonly string[]; readonly fromStdin: boolean }
  | { readonly kind: "filter"; readonly filter: JobFilterInit };

async function run(action: JobAction, context: Context): Promise<void> {
  checkSelection(action, context);
  const fromStdin = context.operands.includes("-");
  const needsConsent = !context.flags["dry-run"] && !context.flags.yes && (context.operands.length === 0 || fromStdin);
  if (needsConsent && (fromStdin || !canAsk(context))) throw refusal(fromStdin);
  const selection = await readSelection(context, fromStdin);
  await withClient(context, async (client) => {
    if (needsConsent && selection.kind === "filter" && !(await askAbout(action, context, client, selection.filter)))
      return;
    if (selection.kind === "filter") await applyToFilter(action, context, client, selection.filter);
    else await applyToIds(action, context, client, selection.ids);
  });
}

function checkSelection(action: JobAction, { flags, operands }: Context): void {
  const filtered = hasFilter(flags) || flags.all;
  if (operands.length > 0 && filtered) throw usageError("use either IDs or filters, not both");
  if (hasFilter(flags) && flags.all) throw usageError("use either --all or filters, not both");
  if (operands.length === 0 && !filtered) {
    throw usageError(
      `no jobs selected to ${action.verb}`,
      "pass job IDs, - to read IDs from stdin, filters such as --state or --function, or --all",
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

function refusal(fromStdin: boolean): CliError {
  return usageError(
    fromStdin ? "cannot ask for confirmation: stdin is in use" : "cannot ask for confirmation: not a terminal",
    "pass --yes to confirm, or --dry-run to see which jobs would be affected",
  );
}

const PAGE = 1_000;
const SAMPLE = 5;

async function askAbout(action: JobAction, context: Context, client: Client, filter: JobFilterInit): Promise<boolean> {
  const { messages } = context;
  const progress = messages.progress("found");
  const sample: string[] = [];
  let count = 0;
  for await (const page of slices(action, client, filter, true)) {
    sample.push(...page.slice(0, SAMPLE - sample.length));
    count += page.length;
    progress.update(count);
  }
  progress.end();
  if (count === 0) {
    messages.info(`no job to ${action.verb} matches`);
    return false;
  }
  for (const line of await describeSample(client, sample)) messages.info(`  ${line}`);
  if (count > sample.length) messages.info(`  and ${count - sample.length} more`);
  const answer = await confirm(`${action.verb} ${count === 1 ? "this job" : `these ${count} jobs`}?`);
  if (answer === null) throw new CliError("interrupted", "interrupted; nothing was changed");
  if (!answer) messages.info("nothing was changed");
  return answer;
}

/** Describes jobs so that a person recognizes them. */
async function describeSample(client: Client, ids: readonly string[]): Promise<readonly string[]> {
  const { jobs } = await client.jobs.listJobs({ filter: { jobIds: [...ids] }, pageSize: SAMPLE });
  return jobs.map((job) => `${job.jobId}  ${job.functionName}  ${stateName(job.state)}`);
}

async function* slices(
  action: JobAction,
  client: Client,
  filter: JobFilterInit,
  dryRun: boolean,
): AsyncGenerator<readonly string[]> {
  let pageToken = "";
  do {
    const page = await action.call(client, { filter, dryRun, pageSize: PAGE, pageToken });
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

async function applyToFilter(
  action: JobAction,
  context: Context,
  client: Client,
  filter: JobFilterInit,
): Promise<void> {
  const { messages, output, flags } = context;
  const dryRun = flags["dry-run"];
  const progress = messages.progress(action.done);
  let count = 0;
  const counted = async function* (): AsyncGenerator<readonly string[]> {
    for await (const page of slices(action, client, filter, dryRun)) {
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
  if (dryRun && output.format === "table" && count === 0) messages.info(`no job to ${action.verb} matches`);
  else report(action, context, count);
}

/** On a terminal, shows a sample of a dry run, and of a real run only the final count. */
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

function report(action: JobAction, { messages, flags }: Context, count: number): void {
  const jobs = counted(count, "job");
  if (flags["dry-run"]) messages.info(`dry run: ${jobs} would be ${action.done}`);
  else messages.success(`${jobs} ${action.done}`);
}

async function applyToIds(action: JobAction, context: Context, client: Client, ids: readonly string[]): Promise<void> {
  const jobIds = await resolveJobIds(client, ids);
  const done = new Set<string>();
  const pages = async function* (): AsyncGenerator<readonly string[]> {
    for (let at = 0; at < jobIds.length; at += PAGE) {
      const slice = jobIds.slice(at, at + PAGE);
      for await (const page of slices(action, client, { jobIds: slice }, context.flags["dry-run"])) {
        for (const id of page) done.add(id);
        yield page;
      }
    }
  };
  await show(context, client, pages());
  const missed = jobIds.filter((id) => !done.has(id));
  if (missed.length === 0) return report(action, context, done.size);
  throw await explainMissed(action, client, missed, done.size);
}

/** Why some IDs were left out: they are unknown, or the state of the job does not allow the action. */
async function explainMissed(
  action: JobAction,
  client: Client,
  missed: readonly string[],
  done: number,
): Promise<CliError> {
  const found = new Map<string, Job>();
  for (let at = 0; at < missed.length; at += PAGE) {
    const page = await client.jobs.listJobs({ filter: { jobIds: missed.slice(at, at + PAGE) }, pageSize: PAGE });
    for (const job of page.jobs) found.set(job.jobId, job);
  }
  const lines: string[] = [];
  for (const id of missed.slice(0, SAMPLE)) lines.push(await reasonMissed(action, client, id, found.get(id)));
  if (missed.length > SAMPLE) lines.push(`and ${missed.length - SAMPLE} more`);
  const unknown = missed.some((id) => !found.has(id));
  const rest = done === 0 ? "" : `; ${done} ${action.done}`;
  return new CliError(unknown ? "not_found" : "conflict", `${lines.join("\n")}${rest}`);
}

async function reasonMissed(action: JobAction, client: Client, id: string, job: Job | undefined): Promise<string> {
  if (job === undefined) return `there is no job ${id}`;
  if (!action.allows(stateName(job.state))) return `job ${id} is ${stateName(job.state)}: ${action.needs}`;
  if (job.undoOf !== "" && action.undoCondition !== undefined)
    return `job ${id} undoes job ${job.undoOf}: ${action.undoCondition}`;
  // An undo job blocks it, or its state has just changed: ask the daemon.
  return (await client.jobs.explainJob({ jobId: id })).summary;
}
