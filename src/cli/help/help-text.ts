import {
  type AnyCommand,
  type CommandGroup,
  type CommandTable,
  type Example,
  type Flag,
  isGroup,
  type Operand,
} from "../command.ts";
import { EXIT_CODES } from "../exit.ts";
import type { Paint } from "../terminal/color.ts";

export type PaintText = (paint: Paint, text: string) => string;

const WIDTH = 100;

/** The help of one command. */
export function commandHelp(command: AnyCommand, paint: PaintText): string {
  const flags = Object.entries(command.args);
  return page([
    wrap(command.meta.description, "").join("\n"),
    section("Usage", [`  reseolio ${usageLine(command)}`], paint),
    section("Examples", exampleLines(command.examples, paint), paint),
    section("Arguments", definitionLines(operandsOf(command).map((one) => [one.name, one.description])), paint),
    section("Flags", definitionLines(flags.map(([name, flag]) => [flagName(name, flag), flagText(flag)])), paint),
    ...(command.notes ?? []).map((note) => wrap(note, "").join("\n")),
  ]);
}

/** The help of a noun: its verbs, with the first example of each. */
export async function groupHelp(name: string, group: CommandGroup, paint: PaintText): Promise<string> {
  const verbs = Object.entries(group.subCommands).map(([verb, entry]): [string, string] => [verb, entry.summary]);
  const loading = Object.values(group.subCommands).flatMap((entry) => (isGroup(entry) ? [] : [entry.load()]));
  const examples = (await Promise.all(loading)).flatMap((command) => command.examples.slice(0, 1));
  return page([
    `${group.summary}.`,
    section("Usage", [`  reseolio ${name} VERB`], paint),
    section("Verbs", definitionLines(verbs), paint),
    section("Examples", exampleLines(examples, paint), paint),
    `reseolio ${name} VERB --help describes one of them.`,
  ]);
}

/** What `reseolio` prints without arguments: examples first, then the commands. */
export function rootHelp(table: CommandTable, version: string, paint: PaintText): string {
  const rows = Object.entries(table).map(([name, entry]): [string, string] => [
    isGroup(entry) ? `${name} ${Object.keys(entry.subCommands).join("|")}` : name,
    entry.summary,
  ]);
  return page([
    `Reseolio ${version}: durable execution for plain functions.`,
    section("A first job, in three shells", FIRST_JOB, paint),
    section("Commands", definitionLines(rows, 30), paint),
    section(
      "Topics",
      definitionLines(Object.entries(TOPICS).map(([name, topic]) => [`help ${name}`, topic.summary])),
      paint,
    ),
    "reseolio COMMAND --help describes a command, with examples.",
  ]);
}

const FIRST_JOB = [
  "  reseolio serve",
  "  reseolio work demo:shell:upper -- tr a-z A-Z",
  `  reseolio jobs enqueue demo:shell:upper --args '["hello"]' --wait`,
];

export const TOPICS: Readonly<Record<string, { readonly summary: string; readonly text: string }>> = {
  "exit-codes": {
    summary: "What each exit code means",
    text: page([
      "Every command exits with one of these codes:",
      definitionLines(EXIT_CODES.map(({ code, meaning }) => [String(code), meaning])).join("\n"),
    ]),
  },
  formats: {
    summary: "Tables, TSV, JSON and IDs",
    text: page([
      [
        "On a terminal, commands print aligned tables with short IDs and relative times. In a pipe, they",
        "print one line per row: tab-separated values without a header, with full IDs and ISO times.",
      ].join("\n"),
      definitionLines([
        ["--json", 'one JSON document; errors are JSON too, on stderr: {"error":{"code","message","hint"}}'],
        ["--jsonl", "one JSON object per line"],
        ["-q, --quiet", "only IDs, one per line, as input for another command"],
        ["--raw", "unescaped text: control characters in job data reach your terminal"],
      ]).join("\n"),
      "Data goes to stdout; messages and progress go to stderr. Short IDs are accepted wherever an ID is.",
      [
        "Durations: 500ms, 10s, 10m, 2h, 1d, 1h30m. In a filter, a duration means that long ago.",
        "Times: 2026-11-21T09:00:00Z, 2026-11-21T09:00+01:00. A time without a zone is local time.",
      ].join("\n"),
    ]),
  },
  environment: {
    summary: "Environment variables that commands read",
    text: page([
      "A flag overrides its variable. The --help of each command names the variable of each flag.",
      definitionLines([
        [
          "RESEOLIO_ADDR",
          "address of the daemon, host:port or http(s)://host:port; separate several with commas [127.0.0.1:50051]",
        ],
        ["RESEOLIO_TOKEN", "the token that the daemon requires; there is no flag for it"],
        ["RESEOLIO_TOKEN_FILE", "a file that contains the token; overrides RESEOLIO_TOKEN"],
        ["RESEOLIO_TLS_CA", "PEM file with the CA certificate that signed the daemon's certificate"],
        ["RESEOLIO_TLS", "1 enables TLS with the system's CA certificates"],
        ["RESEOLIO_DB", "the database that db commands and doctor open [sqlite://./reseolio.db]"],
        ["RESEOLIO_CALL_TIMEOUT", "how long a command waits for a response from the daemon [15s]"],
        ["RESEOLIO_DEBUG", "1 prints stack traces of errors, for bug reports"],
        ["NO_COLOR", "no colors"],
        ["FORCE_COLOR", "colors even in a pipe; 0 disables them"],
        ["TERM=dumb", "no colors and no progress"],
        ["CI", "no colors, no progress, no prompts"],
      ]).join("\n"),
      "reseolio serve --help lists the variables of the daemon; reseolio work --help lists those that it\nsets for commands.",
    ]),
  },
};

function page(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function section(title: string, lines: readonly string[], paint: PaintText): string {
  return lines.length === 0 ? "" : [paint("bold", `${title}:`), ...lines].join("\n");
}

function usageLine(command: AnyCommand): string {
  const words = [command.meta.name];
  for (const operand of command.operands ?? []) words.push(operandUsage(operand));
  if (Object.keys(command.args).length > 0) words.push("[flags]");
  if (command.rest !== undefined) words.push(`-- ${operandUsage(command.rest)}`);
  return words.join(" ");
}

function operandUsage(operand: Operand): string {
  const name = operand.repeat === true ? `${operand.name}…` : operand.name;
  return operand.required === true ? name : `[${name}]`;
}

function operandsOf(command: AnyCommand): readonly Operand[] {
  return command.rest === undefined ? (command.operands ?? []) : [...(command.operands ?? []), command.rest];
}

function exampleLines(examples: readonly Example[], paint: PaintText): readonly string[] {
  return examples.flatMap(({ command: line, does }) => [`  ${paint("dim", `# ${does}`)}`, `  ${line}`]);
}

function flagName(name: string, flag: Flag): string {
  const short = typeof flag.alias === "string" ? `-${flag.alias}, ` : "";
  if (flag.type === "boolean") return `${short}--${name}`;
  return `${short}--${name} ${flag.valueHint ?? (flag.type === "enum" ? (flag.options ?? []).join("|") : "VALUE")}`;
}

function flagText(flag: Flag): string {
  const repeat = flag.repeat === true ? "; may be repeated" : "";
  const env = flag.env === undefined ? "" : ` (${flag.env})`;
  return `${flag.description ?? ""}${repeat}${env}`;
}

function definitionLines(rows: readonly (readonly [string, string])[], widest = 34): readonly string[] {
  const width = Math.min(widest, Math.max(0, ...rows.map(([name]) => name.length)));
  const indent = " ".repeat(width + 4);
  return rows.flatMap(([name, text]) => {
    const [first = "", ...more] = wrap(text, indent);
    if (name.length > width) return [`  ${name}`, `${indent}${first}`, ...more.map((line) => indent + line)];
    return [`  ${name.padEnd(width)}  ${first}`, ...more.map((line) => indent + line)];
  });
}

function wrap(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
