/** Pause, resume and delete: the same action on each schedule that is named. */
import type { Client } from "../../sdk/transport/client.ts";
import { type AnyCommand, type CommandContext, defineCommand, type Example, type Flags } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { stdinLines } from "../flags/read-input.ts";
import { checkScheduleName, NAME_FORMAT_FLAGS } from "../flags/schedule-flags.ts";
import { onePage } from "../terminal/one-page.ts";
import type { Listing } from "../terminal/output.ts";
import { CONNECTION_FLAGS, withClient } from "./connection.ts";
import { cliErrorFrom } from "./rpc-errors.ts";

/** What differs between the actions. */
export interface ScheduleAction {
  readonly verb: "pause" | "resume" | "delete";
  readonly done: string;
  readonly description: string;
  /** Resolves to false if there is no schedule of this name. */
  readonly call: (client: Client, name: string) => Promise<boolean>;
  readonly examples: readonly Example[];
  readonly notes: readonly string[];
}

const FLAGS = {
  yes: { type: "boolean", alias: "y", description: "Do not ask for confirmation; required for names from stdin" },
  ...NAME_FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

type Context = CommandContext<typeof FLAGS>;

/** The command for an action. */
export function scheduleActionCommand(action: ScheduleAction): AnyCommand {
  return defineCommand({
    meta: { name: `schedules ${action.verb}`, description: action.description },
    args: FLAGS,
    operands: [
      {
        name: "NAME",
        description: "Schedule names; - reads them from stdin, one per line",
        required: true,
        repeat: true,
      },
    ],
    examples: action.examples,
    notes: [
      ...action.notes,
      `Prints the names of the schedules that were ${action.done}. Exit code 3: a name is unknown; the other schedules are ${action.done} nevertheless.`,
    ],
    run: (context) => run(action, context),
  });
}

async function run(action: ScheduleAction, context: Context): Promise<void> {
  const names = await readNames(context);
  await withClient(context, async (client) => {
    const done: string[] = [];
    const faults: CliError[] = [];
    for (const name of names) {
      const fault = await applyTo(action, client, name);
      if (fault === null) done.push(name);
      else faults.push(fault);
    }
    await report(action, context, done);
    const [first] = faults;
    if (first !== undefined) throw new CliError(first.code, faults.map((fault) => fault.message).join("\n"));
  });
}

/** Returns null on success. Connection errors end the whole command. */
async function applyTo(action: ScheduleAction, client: Client, name: string): Promise<CliError | null> {
  try {
    return (await action.call(client, name)) ? null : noSchedule(name);
  } catch (error) {
    const fault = cliErrorFrom(error);
    if (fault.code === "not_found" || fault.code === "conflict") return fault;
    throw fault;
  }
}

function noSchedule(name: string): CliError {
  return new CliError("not_found", `there is no schedule ${JSON.stringify(name)}`);
}

async function report(action: ScheduleAction, { output, messages }: Context, done: readonly string[]): Promise<void> {
  if (output.format !== "table") await output.list(onePage(done), NAMES);
  if (done.length > 0) messages.success(`${done.length === 1 ? done[0] : `${done.length} schedules`} ${action.done}`);
}

const NAMES: Listing<string> = {
  name: "names",
  columns: [{ header: "NAME", value: (name) => name }],
  json: (name) => name,
  id: (name) => name,
  empty: "",
};

async function readNames({ flags, operands, messages }: Context): Promise<readonly string[]> {
  if (operands.includes("-") && !flags.yes) {
    throw usageError("cannot ask for confirmation: stdin is in use", "pass --yes to confirm");
  }
  const names = new Set<string>();
  for (const operand of operands) {
    if (operand !== "-") names.add(checkScheduleName(operand));
    else for await (const name of stdinNames((text) => messages.info(text))) names.add(checkScheduleName(name));
  }
  if (names.size === 0)
    throw usageError("stdin contains no names", "pass names as arguments, or one per line on stdin");
  return [...names];
}

/** Takes the first column of each line, so that the output of `schedules list` works, too. */
async function* stdinNames(say: (text: string) => void): AsyncGenerator<string> {
  for await (const lines of stdinLines(say)) {
    for (const line of lines) {
      const [name = ""] = line.split("\t");
      if (name.trim() !== "") yield name;
    }
  }
}
