/**
 * Validates arguments strictly, which citty does not: every word must be a known flag with a valid value or an expected
 * operand; otherwise a usage error suggests what was probably meant. Valid arguments are passed to citty in an unambiguous
 * form.
 */
import { parseArgs } from "citty";
import type { AnyCommand, Flag, Flags } from "../command.ts";
import { type CliError, usageError } from "../exit.ts";
import { didYouMean, suggest } from "../text/suggest.ts";

export interface ScannedWords {
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly operands: readonly string[];
  /** The words after `--`. */
  readonly rest: readonly string[];
}

/** @throws CliError `usage` that names the word */
export function scanWords(words: readonly string[], command: AnyCommand): ScannedWords {
  const scan = new WordScan(words, command);
  scan.run();
  checkOperands(scan.operands, scan.rest, command);
  return { flags: readFlags(scan, command.args), operands: scan.operands, rest: scan.rest };
}

class WordScan {
  readonly operands: string[] = [];
  readonly given = new Map<string, string[]>();
  rest: readonly string[] = [];
  #at = 0;
  readonly #words: readonly string[];
  readonly #command: AnyCommand;

  constructor(words: readonly string[], command: AnyCommand) {
    this.#words = words;
    this.#command = command;
  }

  run(): void {
    for (; this.#at < this.#words.length; this.#at++) {
      const word = this.#words[this.#at] ?? "";
      if (word === "--") {
        this.rest = this.#words.slice(this.#at + 1);
        return;
      }
      if (word.startsWith("--")) this.#longFlag(word);
      else if (word.startsWith("-") && word.length > 1) this.#shortFlags(word);
      else this.operands.push(word);
    }
  }

  #longFlag(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const flag = Object.hasOwn(this.#command.args, name) ? this.#command.args[name] : undefined;
    if (flag === undefined) throw unknownFlag(`--${name}`, this.#command);
    this.#give(name, flag, `--${name}`, equals < 0 ? undefined : word.slice(equals + 1));
  }

  #shortFlags(word: string): void {
    for (let index = 1; index < word.length; index++) {
      const letter = word[index] ?? "";
      const found = Object.entries(this.#command.args).find(([, flag]) => flag.alias === letter);
      if (found === undefined) throw unknownFlag(word, this.#command);
      const [name, flag] = found;
      if (flag.type === "boolean") {
        this.#give(name, flag, `-${letter}`, undefined);
        continue;
      }
      const attached = word.slice(index + 1);
      return this.#give(name, flag, `-${letter}`, attached === "" ? undefined : attached.replace(/^=/, ""));
    }
  }

  #give(name: string, flag: Flag, spelling: string, attached: string | undefined): void {
    const value =
      flag.type === "boolean" ? booleanValue(spelling, attached) : (attached ?? this.#nextValue(name, flag));
    if (flag.type === "enum") checkWord(spelling, value, flag.options ?? []);
    const values = this.given.get(name) ?? [];
    if (values.length > 0 && flag.repeat !== true) throw usageError(`${spelling} was given more than once`);
    this.given.set(name, [...values, value]);
  }

  #nextValue(name: string, flag: Flag): string {
    const next = this.#words[this.#at + 1];
    const isValue = next !== undefined && (next === "-" || !next.startsWith("-") || /^-[\d.]/.test(next));
    if (!isValue) {
      const hint = `write --${name} ${flag.valueHint ?? "VALUE"}; if the value begins with a dash, write --${name}=VALUE`;
      throw usageError(`--${name} requires a value`, hint);
    }
    this.#at++;
    return next;
  }
}

function booleanValue(spelling: string, attached: string | undefined): string {
  if (attached === undefined || attached === "true") return "true";
  if (attached === "false") return "false";
  throw usageError(`${spelling} does not take a value: ${JSON.stringify(attached)}`, `write ${spelling} alone`);
}

function checkWord(spelling: string, value: string, options: readonly string[]): void {
  if (options.includes(value)) return;
  const meant = didYouMean(value, options);
  throw usageError(
    `invalid value for ${spelling}: ${JSON.stringify(value)}${meant}`,
    `valid values: ${options.join(", ")}`,
  );
}

// Words that people type out of habit from other tools or the SDK.
const HABITS: ReadonlyMap<string, string> = new Map(
  Object.entries({ timezone: "tz", "time-zone": "tz", zone: "tz", schedule: "cron" }),
);

function unknownFlag(spelling: string, command: AnyCommand): CliError {
  const known = [...Object.keys(command.args), "help"];
  const word = spelling.replace(/^-+/, "");
  const habit = HABITS.get(word);
  const near = habit !== undefined && known.includes(habit) ? habit : suggest(word, known);
  const meant = near === undefined ? "" : `; did you mean --${near}?`;
  return usageError(`unknown flag ${spelling}${meant}`, `see reseolio ${command.meta.name} --help`);
}

function checkOperands(operands: readonly string[], rest: readonly string[], command: AnyCommand): void {
  const declared = command.operands ?? [];
  const repeats = declared.at(-1)?.repeat === true;
  const help = `see reseolio ${command.meta.name} --help`;
  const missing = declared.find((operand, index) => operand.required === true && operands[index] === undefined);
  if (missing !== undefined) throw usageError(`missing argument ${missing.name}: ${missing.description}`, help);
  const surplus = operands[declared.length];
  if (!repeats && surplus !== undefined) {
    const takes = declared.length === 0 ? "no arguments" : `only ${declared.map((one) => one.name).join(" ")}`;
    throw usageError(
      `unexpected argument ${JSON.stringify(surplus)}: reseolio ${command.meta.name} takes ${takes}`,
      help,
    );
  }
  if (command.rest === undefined && rest.length > 0) {
    throw usageError(`unexpected arguments after --: reseolio ${command.meta.name} takes none`, help);
  }
  if (command.rest?.required === true && rest.length === 0) {
    throw usageError(`missing argument ${command.rest.name}: ${command.rest.description}`, help);
  }
}

function readFlags(scan: WordScan, flags: Flags): ScannedWords["flags"] {
  const words = [...scan.given].flatMap(([name, values]) =>
    flags[name]?.type === "boolean"
      ? values.filter((value) => value === "true").map(() => `--${name}`)
      : values.map((value) => `--${name}=${value}`),
  );
  const parsed: Readonly<Record<string, unknown>> = parseArgs(words, { ...flags });
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, readFlag(scan, name, flag, parsed[name])]),
  );
}

function readFlag(scan: WordScan, name: string, flag: Flag, parsed: unknown): ScannedWords["flags"][string] {
  if (flag.repeat === true) return scan.given.get(name) ?? [];
  if (flag.type === "boolean") return parsed === true;
  return typeof parsed === "string" ? parsed : undefined;
}
