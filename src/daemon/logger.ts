export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ["auto", "text", "json"] as const;
/** `auto`: text on a terminal, JSON lines elsewhere. */
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * A message is a fixed sentence; what varies goes into fields. An Error in a field is logged with its stack and causes.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LoggerOptions {
  /** Lines below it are dropped. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Receives one line with its newline. [standard error] */
  readonly write?: (line: string) => void;
  /** Whether the other end of `write` is a terminal. [that of standard error] */
  readonly isTerminal?: boolean;
  readonly now?: () => Date;
}

/**
 * Writes lines to standard error, one per event whatever its fields contain. Escapes control characters, so that no job
 * can forge a line or control a terminal; masks passwords in URLs and bearer tokens. Never throws.
 */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? writeToStderr;
  const now = options.now ?? (() => new Date());
  const isText = options.format === "text" || (options.format === "auto" && (options.isTerminal ?? stderrIsTerminal()));
  const format = isText ? formatText : formatJson;
  const threshold = LOG_LEVELS.indexOf(options.level);
  const log =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (LOG_LEVELS.indexOf(level) >= threshold) write(format(now(), level, message, fields));
    };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

/** Logs nothing, for tests and for embedding. */
export const SILENT_LOGGER: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function formatJson(at: Date, level: LogLevel, message: string, fields: LogFields): string {
  const record = { time: at.toISOString(), level, message: redact(message), ...describeFields(fields) };
  return `${escapeUnsafe(JSON.stringify(record))}\n`;
}

/** Puts a stack on indented lines, with which no event begins. */
function formatText(at: Date, level: LogLevel, message: string, fields: LogFields): string {
  const time = at.toISOString().slice(11, 23);
  const shown = Object.entries(describeFields(fields)).map(([name, value]) => ` ${name}=${textValue(value)}`);
  const head = `${time} ${level.toUpperCase().padEnd(5)} ${redact(message)}${shown.join("")}`;
  const stacks = Object.values(fields).flatMap((value) => (value instanceof Error ? stackLines(value) : []));
  return [head, ...stacks.map((line) => `    ${line}`)].map((line) => `${escapeUnsafe(line)}\n`).join("");
}

function textValue(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (isDescribedError(value)) return JSON.stringify(`${value.name}: ${value.message}`);
  return JSON.stringify(value) ?? "undefined";
}

function isDescribedError(value: unknown): value is { readonly name: string; readonly message: string } {
  return typeof value === "object" && value !== null && "stack" in value && "name" in value && "message" in value;
}

function stackLines(error: Error, depth = 0): readonly string[] {
  const own = redact(error.stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "));
  return error.cause instanceof Error && depth < MAX_DEPTH
    ? [
        ...own,
        `caused by ${redact(`${error.cause.name}: ${error.cause.message}`)}`,
        ...stackLines(error.cause, depth + 1),
      ]
    : own;
}

/** Plain values for JSON. A field never replaces the time, level or message of its event. */
function describeFields(fields: LogFields): Record<string, unknown> {
  const described: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const key = name === "time" || name === "level" || name === "message" ? `${name}_` : name;
    described[key] = describeValue(value, 0);
  }
  return described;
}

/** Depth to which fields and causes are logged: people read the line, and a cycle must end. */
const MAX_DEPTH = 4;

function describeValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return redact(value);
    case "bigint":
    case "symbol":
    case "function":
      return String(value);
    case "object":
      return value === null ? null : describeObject(value, depth);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
    case "undefined":
      return value;
  }
}

function describeObject(value: object, depth: number): unknown {
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) return value.map((one) => describeValue(one, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, describeValue(one, depth + 1)]));
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  return {
    name: error.name,
    message: redact(error.message),
    ...("code" in error && { code: describeValue(error.code, depth + 1) }),
    stack: redact(error.stack ?? ""),
    ...(error.cause !== undefined && depth < MAX_DEPTH && { cause: describeValue(error.cause, depth + 1) }),
  };
}

/** Masks passwords in URLs, secret parameters and bearer tokens. */
export function redact(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*):[^\s/]*@/gi, "$1:***@")
    .replace(/\b(password|passwd|token|secret)=[^\s&"']+/gi, "$1=***")
    .replace(/\b(bearer) +[a-z0-9._~+/=-]+/gi, "$1 ***");
}

/** C0, DEL, C1, line separators, and characters that reorder or hide text. In JSON the escape keeps the value. */
// eslint-disable-next-line no-control-regex -- naming control characters is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function stderrIsTerminal(): boolean {
  return process.stderr.isTTY;
}

let stderrIsGuarded = false;

function writeToStderr(line: string): void {
  if (!stderrIsGuarded) {
    stderrIsGuarded = true;
    // A log reader that exits must not take the daemon with it.
    process.stderr.on("error", () => {});
  }
  process.stderr.write(line);
}
