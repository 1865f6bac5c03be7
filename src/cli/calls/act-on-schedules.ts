/** Pause, resume and delete: one act on each schedule that is named. */
import type { Client } from "../../sdk/transport/client.ts";
import { type AnyCommand, type CommandContext, defineCommand, type Example, type Flags } from "../command.ts";
import { CONNECTION_FLAGS, withClient } from "./connection.ts";
import { CliError, usageError } from "../exit.ts";
import type { Listing } from "../terminal/output.ts";
import { stdinLines } from "../flags/read-input.ts";
import { cliErrorFrom } from "./rpc-errors.ts";
import { checkScheduleName, NAME_FORMAT_FLAGS } from "../flags/schedule-flags.ts";

/** One of the acts in words and calls. */
export interface ScheduleAct {
  readonly verb: "pause" | "resume" | "delete";
  readonly done: string;
  readonly description: string;
  /** False when there is none of this name. */
  readonly call: (client: Client, name: string) => Promise<boolean>;
  readonly examples: readonly Example[];
  readonly notes: readonly string[];
}

const FLAGS = {
  yes: { type: "boolean", alias: "y", description: "Needed for names from stdin" },
  ...NAME_FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

type Context = CommandContext<typeof FLAGS>;

/** The command for an act. */
export function scheduleActCommand(act: ScheduleAct): AnyCommand {
  return defineCommand({
    meta: { name: `schedules ${act.verb}`, description: act.description },
    args: FLAGS,
    operands: [
      { name: "NAME", description: "Names; - reads them from stdin, one per line", required: true, repeat: true },
    ],
    examples: act.examples,
    notes: [
      ...act.notes,
      `Prints the names of the schedules that it ${act.done}. Exit code 3: there is none of a name; the others are ${act.done} all the same.`,
    ],
    run: (context) => run(act, context),
  });
}

async function run(act: ScheduleAct, context: Context): Promise<void> {
  const names = await readNames(act, context);
  await withClient(context, async (client) => {
    const done: string[] = [];
    const faults: CliError[] = [];
    for (const name of names) {
      const fault = await actOn(act, client, name);
      if (fault === null) done.push(name);
      else faults.push(fault);
    }
    await report(act, context, done);
    const [first] = faults;
    if (first !== undefined) throw new CliError(first.code, faults.map((fault) => fault.message).join("\n"));
  });
}

/** Null when it was done. Faults of the connection end the whole. */
async function actOn(act: ScheduleAct, client: Client, name: string): Promise<CliError | null> {
  try {
    return (await act.call(client, name)) ? null : noSchedule(name);
  } catch (error) {
    const fault = cliErrorFrom(error);
    if (fault.code === "not_found" || fault.code === "conflict") return fault;
    throw fault;
  }
}

function noSchedule(name: string): CliError {
  return new CliError("not_found", `there is no schedule ${JSON.stringify(name)}`);
}

async function report(act: ScheduleAct, { output, messages }: Context, done: readonly string[]): Promise<void> {
  if (output.format !== "table") await output.list(onePage(done), NAMES);
  if (done.length > 0) messages.success(`${done.length === 1 ? done[0] : `${done.length} schedules`} ${act.done}`);
}

async function* onePage(names: readonly string[]): AsyncGenerator<readonly string[]> {
  yield names;
}

const NAMES: Listing<string> = {
  name: "names",
  columns: [{ header: "NAME", value: (name) => name }],
  json: (name) => name,
  id: (name) => name,
  empty: "",
};

async function readNames(act: ScheduleAct, { flags, operands, messages }: Context): Promise<readonly string[]> {
  if (operands.includes("-") && !flags.yes) {
    throw usageError(
      `reseolio schedules ${act.verb} would act on many schedules and there is nobody to ask`,
      "add --yes to do it",
    );
  }
  const names = new Set<string>();
  for (const operand of operands) {
    if (operand !== "-") names.add(checkScheduleName(operand));
    else for await (const name of stdinNames((text) => messages.info(text))) names.add(checkScheduleName(name));
  }
  if (names.size === 0) throw usageError("stdin held no names", "give names as words, or one per line on stdin");
  return [...names];
}

/** The first column of each line, so that lines of a listing fit as well. */
async function* stdinNames(say: (text: string) => void): AsyncGenerator<string> {
  for await (const lines of stdinLines(say)) {
    for (const line of lines) {
      const [name = ""] = line.split("\t");
      if (name.trim() !== "") yield name;
    }
  }
}
