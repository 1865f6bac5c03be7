/** Job options as flags, and as keys of the lines of `jobs enqueue --jsonl`. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MAX_UINT32 } from "#proto/contract.ts";
import type { JobOptionsSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import { JOB_OPTIONS, type JobOptionName, type JobOptionRule, type OnDuplicateKind } from "#proto/job-options.ts";
import { BACKOFFS, ON_DUPLICATES } from "#proto/option-enums.ts";
import type { CommandContext, Flags } from "../command.ts";
import { usageError } from "../exit.ts";
import { formatDuration } from "../text/duration.ts";
import { didYouMean } from "../text/suggest.ts";
import { toTimestamp } from "../text/timestamps.ts";
import { durationFlag, instantFlag, numberFlag } from "./parse-flag.ts";

export type JobOptionsInit = Exclude<MessageInitShape<typeof JobOptionsSchema>, { $typeName: string }>;

export const JOB_OPTION_FLAGS = {
  "max-attempts": { type: "string", valueHint: "N", description: helpOf("maxAttempts") },
  backoff: { type: "enum", options: [...JOB_OPTIONS.backoff.choices], description: helpOf("backoff") },
  "initial-delay": { type: "string", valueHint: "DURATION", description: helpOf("initialDelayMs") },
  "max-delay": { type: "string", valueHint: "DURATION", description: helpOf("maxDelayMs") },
  jitter: { type: "string", valueHint: "FRACTION", description: helpOf("jitter") },
  timeout: { type: "string", valueHint: "DURATION", description: helpOf("timeoutMs") },
  delay: { type: "string", valueHint: "DURATION", description: helpOf("delayMs") },
  "run-at": {
    type: "string",
    valueHint: "TIME",
    description: `${JOB_OPTIONS.runAt.help}; cannot be used with --delay`,
  },
  priority: { type: "string", valueHint: "N", description: helpOf("priority") },
  "start-within": { type: "string", valueHint: "DURATION", description: helpOf("startWithinMs") },
  "finish-within": { type: "string", valueHint: "DURATION", description: helpOf("finishWithinMs") },
  "idempotency-key": { type: "string", valueHint: "KEY", description: helpOf("idempotencyKey") },
  "on-duplicate": {
    type: "enum",
    options: ["return", "reject", "replace-finished"],
    description: `${JOB_OPTIONS.onDuplicate.help} [return]`,
  },
  header: { type: "string", valueHint: "NAME=VALUE", repeat: true, description: helpOf("headers") },
} as const satisfies Flags;

function helpOf(name: JobOptionName): string {
  const rule: JobOptionRule = JOB_OPTIONS[name];
  if (!("default" in rule) || rule.default === undefined) return rule.help;
  return `${rule.help} [${rule.kind === "duration" ? formatDuration(rule.default) : rule.default}]`;
}

/** The flag's values are shorter than those of the SDK. */
const ON_DUPLICATE_KINDS = {
  return: "return_existing",
  reject: "reject",
  "replace-finished": "replace_finished",
} as const satisfies Readonly<Record<string, OnDuplicateKind>>;

type OptionFlags = CommandContext<typeof JOB_OPTION_FLAGS>["flags"];

/** @throws CliError `usage` that names the flag */
export function readJobOptions(flags: OptionFlags): JobOptionsInit {
  const delayMs = durationFlag("delay", flags.delay);
  const runAt = instantFlag("run-at", flags["run-at"]);
  if (delayMs !== undefined && runAt !== undefined) throw usageError("use either --delay or --run-at, not both");
  return defined({
    maxAttempts: numberFlag("max-attempts", flags["max-attempts"], { ...JOB_OPTIONS.maxAttempts, whole: true }),
    backoff: flags.backoff === undefined ? undefined : BACKOFFS[flags.backoff],
    initialDelayMs: shortFlag("initial-delay", flags["initial-delay"]),
    maxDelayMs: shortFlag("max-delay", flags["max-delay"]),
    jitter: numberFlag("jitter", flags.jitter, { ...JOB_OPTIONS.jitter, whole: false }),
    timeoutMs: shortFlag("timeout", flags.timeout),
    delayMs: longLength(delayMs),
    runAt: runAt === undefined ? undefined : toTimestamp(runAt),
    priority: numberFlag("priority", flags.priority, { ...JOB_OPTIONS.priority, whole: true }),
    startWithinMs: longLength(deadlineFlag("start-within", flags["start-within"])),
    finishWithinMs: longLength(deadlineFlag("finish-within", flags["finish-within"])),
    idempotencyKey: keyFlag(flags["idempotency-key"]),
    onDuplicate:
      flags["on-duplicate"] === undefined ? undefined : ON_DUPLICATES[ON_DUPLICATE_KINDS[flags["on-duplicate"]]],
    headers: readHeaders(flags.header),
  });
}

function shortFlag(name: string, text: string | undefined): number | undefined {
  const ms = durationFlag(name, text);
  if (ms !== undefined && ms > MAX_UINT32) throw usageError(`--${name} ${text} is too long`, "the maximum is 49 days");
  return ms;
}

function deadlineFlag(name: string, text: string | undefined): number | undefined {
  const ms = durationFlag(name, text);
  if (ms === 0)
    throw usageError(`--${name} is 0, which would cancel the job at once`, "use a duration of at least 1ms");
  return ms;
}

function keyFlag(text: string | undefined): string | undefined {
  if (text === "") throw usageError("--idempotency-key is empty", "set a key, or omit the flag");
  return text;
}

function longLength(ms: number | undefined): bigint | undefined {
  return ms === undefined ? undefined : BigInt(ms);
}

function readHeaders(values: readonly string[]): Record<string, string> {
  const headers: [string, string][] = values.map((value) => {
    const equals = value.indexOf("=");
    if (equals < 1) throw usageError(`invalid value for --header: ${JSON.stringify(value)}`, "use the form NAME=VALUE");
    return [value.slice(0, equals), value.slice(equals + 1)];
  });
  return Object.fromEntries(headers);
}

function defined(options: { [Key in keyof JobOptionsInit]: JobOptionsInit[Key] | undefined }): JobOptionsInit {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Converts the options of a line to flags, so that both follow the same rules. */
export function optionsAsFlags(options: Readonly<Record<string, unknown>>): OptionFlags {
  const flags: Record<string, string | readonly string[]> = { header: [] };
  for (const [key, value] of Object.entries(options)) {
    const read = Object.hasOwn(LINE_OPTIONS, key) ? LINE_OPTIONS[key] : undefined;
    if (read === undefined) throw unknownOption(key);
    const [name, text] = read(key, value);
    flags[name] = text;
  }
  return flags as unknown as OptionFlags;
}

type OptionReader = (key: string, value: unknown) => readonly [string, string | readonly string[]];

const LINE_OPTIONS: Readonly<Record<string, OptionReader>> = {
  maxAttempts: plain("max-attempts"),
  backoff: plain("backoff"),
  initialDelayMs: milliseconds("initial-delay"),
  maxDelayMs: milliseconds("max-delay"),
  jitter: plain("jitter"),
  timeoutMs: milliseconds("timeout"),
  delayMs: milliseconds("delay"),
  runAt: plain("run-at"),
  priority: plain("priority"),
  startWithinMs: milliseconds("start-within"),
  finishWithinMs: milliseconds("finish-within"),
  idempotencyKey: plain("idempotency-key"),
  onDuplicate: (key, value) => {
    const text = plain("on-duplicate")(key, value)[1];
    return ["on-duplicate", DUPLICATE_WORDS.get(String(text)) ?? text];
  },
  headers: headerTexts,
};

// The SDK's values for onDuplicate.
const DUPLICATE_WORDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    return_existing: "return",
    replace_finished: "replace-finished",
  }),
);

const WORDS: Readonly<Record<string, readonly string[]>> = {
  backoff: Object.keys(BACKOFFS),
  "on-duplicate": [...Object.keys(ON_DUPLICATE_KINDS), ...DUPLICATE_WORDS.keys()],
};

function plain(name: string): OptionReader {
  return (key, value) => {
    const words = WORDS[name];
    if (words !== undefined && !words.includes(String(value))) {
      throw usageError(`invalid options.${key}: ${JSON.stringify(value)}`, `valid values: ${words.join(", ")}`);
    }
    if (typeof value === "string" || typeof value === "number") return [name, String(value)];
    throw usageError(`invalid options.${key}: ${JSON.stringify(value)}`, "use a string or a number");
  };
}

function milliseconds(name: string): OptionReader {
  return (key, value) => {
    if (typeof value === "number" && value >= 0) return [name, `${value}ms`];
    if (typeof value === "string") return [name, value];
    throw usageError(`invalid options.${key}: ${JSON.stringify(value)}`, "use milliseconds, 0 or more");
  };
}

function headerTexts(key: string, value: unknown): ReturnType<OptionReader> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usageError(
      `invalid options.${key}: ${JSON.stringify(value)}`,
      'use an object of strings, such as {"team":"a"}',
    );
  }
  return ["header", Object.entries(value).map(([name, text]) => `${name}=${String(text)}`)];
}

function unknownOption(key: string): Error {
  const meant = didYouMean(key, Object.keys(LINE_OPTIONS));
  return usageError(
    `unknown option ${JSON.stringify(key)}${meant}`,
    `valid options: ${Object.keys(LINE_OPTIONS).join(", ")}`,
  );
}
