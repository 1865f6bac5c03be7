/**
 * The logger of the SDK and of handlers. Popular loggers fit with a thin adapter.
 *
 * @example
 * ```ts
 * const write = (level: string) => (message: string, fields?: LogFields) =>
 *   console.error(JSON.stringify({ level, message, ...fields }));
 * const logger: Logger = { debug: () => {}, info: write("info"), warn: write("warn"), error: write("error") };
 * ```
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Structured fields of a log message, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One line per message on stderr; debug messages only when `RESEOLIO_DEBUG` is set. */
export const stderrLogger: Logger = {
  debug(message, fields) {
    if (process.env["RESEOLIO_DEBUG"] !== undefined) writeLine("debug", message, fields);
  },
  info: (message, fields) => writeLine("info", message, fields),
  warn: (message, fields) => writeLine("warn", message, fields),
  error: (message, fields) => writeLine("error", message, fields),
};

function writeLine(level: string, message: string, fields: LogFields = {}): void {
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${describe(value)}`);
  process.stderr.write(`reseolio ${level}: ${message}${pairs.join("")}\n`);
}

function describe(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(`${value.name}: ${value.message}`);
  if (typeof value === "string" && /^[\w.:/@-]+$/.test(value)) return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** The same logger with fields added to every message. */
export function withFields(logger: Logger, fields: LogFields): Logger {
  return {
    debug: (message, more) => logger.debug(message, { ...fields, ...more }),
    info: (message, more) => logger.info(message, { ...fields, ...more }),
    warn: (message, more) => logger.warn(message, { ...fields, ...more }),
    error: (message, more) => logger.error(message, { ...fields, ...more }),
  };
}
