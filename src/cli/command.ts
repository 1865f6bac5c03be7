/**
 * The definition of a command: citty's (meta, args, lazy sub-commands), extended by what citty lacks: examples, repeatable
 * operands and flags, and the environment variable of a flag.
 */
import type { BooleanArgDef, EnumArgDef, StringArgDef } from "citty";
import type { Messages } from "./terminal/messages.ts";
import type { Output } from "./terminal/output.ts";

interface FlagExtras {
  /** The environment variable that is read if the flag is absent; shown in the help. */
  readonly env?: string;
  /** Can be set more than once; the value is a list. */
  readonly repeat?: true;
}

export type Flag = (BooleanArgDef | StringArgDef | EnumArgDef) & FlagExtras;
export type Flags = Readonly<Record<string, Flag>>;

/** The flag values that a command receives: absent strings are undefined, absent booleans false, absent lists empty. */
export type FlagValues<F extends Flags> = { readonly [Name in keyof F]: FlagValue<F[Name]> };

type FlagValue<F extends Flag> = F extends { readonly repeat: true }
  ? readonly string[]
  : F extends { readonly type: "boolean" }
    ? boolean
    : F extends { readonly type: "enum"; readonly options: readonly (infer Word)[] }
      ? Word | undefined
      : string | undefined;

/** A positional argument. */
export interface Operand {
  /** In capital letters, as in `NAME`. */
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
  /** The words after `--`, which are passed on unchanged. */
  readonly rest?: Operand;
  readonly examples: readonly Example[];
  /** Paragraphs at the end of the help. */
  readonly notes?: readonly string[];
  run(context: CommandContext<F>): Promise<void>;
}

/** A command whose flag types are erased; created by `defineCommand`. */
export interface AnyCommand extends Omit<Command, "run"> {
  run(context: CommandContext): Promise<void>;
}

/** A lazy entry of the command table: the summary is available without loading the command. */
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

/** Gives `run` the types of the declared flags. */
export function defineCommand<const F extends Flags>(command: Command<F>): AnyCommand {
  // The runner fills the flags from this declaration, so a command receives exactly its own flags.
  return command;
}
