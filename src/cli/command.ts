/**
 * What a command is: citty's definition (meta, args, lazy sub-commands) with what citty lacks: examples, operands that
 * may repeat, flags that may repeat, and the environment variable behind a flag.
 */
import type { BooleanArgDef, EnumArgDef, StringArgDef } from "citty";
import type { Messages } from "./terminal/messages.ts";
import type { Output } from "./terminal/output.ts";

interface FlagExtras {
  /** The variable that gives the value when the flag is absent; named in the help. */
  readonly env?: string;
  /** May be given more than once; its value is a list. */
  readonly repeat?: true;
}

export type Flag = (BooleanArgDef | StringArgDef | EnumArgDef) & FlagExtras;
export type Flags = Readonly<Record<string, Flag>>;

/** What a command reads: absent strings are undefined, absent booleans false, absent lists empty. */
export type FlagValues<F extends Flags> = { readonly [Name in keyof F]: FlagValue<F[Name]> };

type FlagValue<F extends Flag> = F extends { readonly repeat: true }
  ? readonly string[]
  : F extends { readonly type: "boolean" }
    ? boolean
    : F extends { readonly type: "enum"; readonly options: readonly (infer Word)[] }
      ? Word | undefined
      : string | undefined;

/** A word that is no flag. */
export interface Operand {
  /** In capitals, as in `NAME`. */
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  readonly repeat?: boolean;
}

export interface Example {
  readonly command: string;
  readonly does: string;
}

export interface Command<F extends Flags = Flags> {
  readonly meta: { readonly name: string; readonly description: string };
  readonly args: F;
  readonly operands?: readonly Operand[];
  /** Words after `--`, kept as they are. */
  readonly rest?: Operand;
  readonly examples: readonly Example[];
  /** Paragraphs at the end of the help. */
  readonly notes?: readonly string[];
  run(context: CommandContext<F>): Promise<void>;
}

/** A command whose flags are not known here; made by `defineCommand`. */
export interface AnyCommand extends Omit<Command, "run"> {
  run(context: CommandContext): Promise<void>;
}

/** A lazy entry of the table: the line of the overview is there without loading the command. */
export interface LazyCommand {
  readonly summary: string;
  readonly load: () => Promise<AnyCommand>;
}

export interface CommandGroup {
  readonly summary: string;
  readonly subCommands: CommandTable;
}

export type CommandTable = Readonly<Record<string, LazyCommand | CommandGroup>>;

export interface CommandContext<F extends Flags = Flags> {
  readonly flags: FlagValues<F>;
  readonly operands: readonly string[];
  readonly rest: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Data, on stdout. */
  readonly output: Output;
  /** Messages and progress, on stderr. */
  readonly messages: Messages;
  readonly table: CommandTable;
}

export function isGroup(entry: LazyCommand | CommandGroup): entry is CommandGroup {
  return "subCommands" in entry;
}

/** Types `run` by the declared flags. */
export function defineCommand<const F extends Flags>(command: Command<F>): AnyCommand {
  // The runner fills flags from this very declaration, so a command only ever sees its own.
  return command;
}
