/** Turns arguments into an exit code: finds the command, validates its arguments, runs it and reports the outcome. */
import { cliErrorFrom } from "./calls/rpc-errors.ts";
import {
  type AnyCommand,
  type CommandContext,
  type CommandGroup,
  type CommandTable,
  isGroup,
  type LazyCommand,
} from "./command.ts";
import { EXIT, type ExitCode, usageError } from "./exit.ts";
import { scanWords } from "./flags/scan-words.ts";
import { commandHelp, groupHelp, rootHelp, TOPICS } from "./help/help-text.ts";
import { painter, wantsColor } from "./terminal/color.ts";
import { type Messages, type MessageSink, openMessages } from "./terminal/messages.ts";
import { Output } from "./terminal/output.ts";
import type { Stdout } from "./terminal/stdout.ts";
import { suggest } from "./text/suggest.ts";
import { VERSION } from "./version.ts";

/** The environment in which the CLI runs. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Stdout;
  readonly stderr: MessageSink;
}

/** Never throws: every outcome has an exit code, and a message on stderr unless the code is 0. */
export async function runMain(words: readonly string[], table: CommandTable, world: World): Promise<ExitCode> {
  const messages = openMessages(world.stderr, world.env, wantsJson(words));
  try {
    await runWords(words, table, world, messages);
    return EXIT.ok;
  } catch (error) {
    const cliError = cliErrorFrom(error);
    if (cliError.message !== "") messages.error(cliError);
    if (world.env["RESEOLIO_DEBUG"] === "1" && error instanceof Error) world.stderr.write(`${error.stack ?? ""}\n`);
    return cliError.exitCode;
  }
}

/** Determined before the arguments are validated, so that validation errors are JSON, too. */
function wantsJson(words: readonly string[]): boolean {
  return beforeDashes(words).includes("--json");
}

function beforeDashes(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end < 0 ? words : words.slice(0, end);
}

async function runWords(
  words: readonly string[],
  table: CommandTable,
  world: World,
  messages: Messages,
): Promise<void> {
  const [first] = words;
  if (first === "--version" || first === "-V") return world.stdout.write(`${VERSION}\n`);
  if (first === undefined || first === "--help" || first === "-h") return showHelp([], table, world);
  if (first === "help") return showHelp(words.slice(1), table, world);
  const found = findCommand(words, table);
  if (found.kind === "group" || wantsHelp(found.rest)) return showHelp(found.path, table, world);
  const command = await found.entry.load();
  const context = openContext(found.rest, command, table, world, messages);
  await command.run(context);
}

function wantsHelp(words: readonly string[]): boolean {
  return beforeDashes(words).some((word) => word === "--help" || word === "-h");
}

type Found =
  | {
      readonly kind: "command";
      readonly path: readonly string[];
      readonly entry: LazyCommand;
      readonly rest: readonly string[];
    }
  | { readonly kind: "group"; readonly path: readonly string[] };

function findCommand(words: readonly string[], table: CommandTable): Found {
  const [noun = "", verb] = words;
  const entry = lookUp(noun, table, "reseolio");
  if (!isGroup(entry)) return { kind: "command", path: [noun], entry, rest: words.slice(1) };
  if (verb === "--help" || verb === "-h") return { kind: "group", path: [noun] };
  if (verb === undefined) {
    throw usageError(`reseolio ${noun} requires a verb: ${Object.keys(entry.subCommands).join(", ")}`, seeHelp(noun));
  }
  const command = lookUp(verb, entry.subCommands, `reseolio ${noun}`);
  if (isGroup(command)) throw new Error(`the command table nests ${verb} too deeply`);
  return { kind: "command", path: [noun, verb], entry: command, rest: words.slice(2) };
}

// Words that people type out of habit from other tools.
const HABITS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    ls: ["list"],
    rm: ["delete"],
    add: ["enqueue", "create"],
    new: ["enqueue", "create"],
    show: ["get"],
    ps: ["status"],
    start: ["serve", "resume"],
    stop: ["pause", "cancel"],
    run: ["trigger"],
  }),
);

function lookUp(word: string, table: CommandTable, where: string): LazyCommand | CommandGroup {
  const entry = Object.hasOwn(table, word) ? table[word] : undefined;
  if (entry !== undefined) return entry;
  const help = seeHelp(where.replace(/^reseolio ?/, ""));
  if (word.startsWith("-"))
    throw usageError(`${where} does not accept ${word} here: flags come after the command`, help);
  const known = Object.keys(table);
  const near = HABITS.get(word)?.find((habit) => known.includes(habit)) ?? suggest(word, known);
  const meant = near === undefined ? "" : `; did you mean ${near}?`;
  throw usageError(`unknown command ${JSON.stringify(word)} of ${where}${meant}`, help);
}

function seeHelp(name: string): string {
  return `reseolio ${name === "" ? "" : `${name} `}--help lists the commands`;
}

function openContext(
  words: readonly string[],
  command: AnyCommand,
  table: CommandTable,
  world: World,
  messages: Messages,
): CommandContext {
  const { flags, operands, rest } = scanWords(words, command);
  const output = new Output(world.stdout, flags, world.env);
  // The scanner fills the flags from the command's own declaration, so they have the declared type.
  const typed = flags as CommandContext["flags"];
  return { flags: typed, operands, rest, env: world.env, output, messages, table };
}

async function showHelp(path: readonly string[], table: CommandTable, world: World): Promise<void> {
  const paint = painter(wantsColor(world.stdout.isTerminal, world.env));
  await world.stdout.write(await helpText(path, table, paint));
}

/** The help for a command path, for a topic, or for everything. Exported for tests. */
export async function helpText(
  path: readonly string[],
  table: CommandTable,
  paint: Parameters<typeof commandHelp>[1],
): Promise<string> {
  const [noun, verb] = path;
  if (noun === undefined) return rootHelp(table, VERSION, paint);
  const topic = Object.hasOwn(TOPICS, noun) ? TOPICS[noun] : undefined;
  if (topic !== undefined) return topic.text;
  const entry = lookUp(noun, table, "reseolio");
  if (!isGroup(entry)) return commandHelp(await entry.load(), paint);
  if (verb === undefined) return groupHelp(noun, entry, paint);
  const command = lookUp(verb, entry.subCommands, `reseolio ${noun}`);
  return isGroup(command) ? groupHelp(verb, command, paint) : commandHelp(await command.load(), paint);
}
