/** Every setting of `serve`, declared once: the parser, the help and the table in docs/operations.md use it. */
import { DEFAULT_ADDRESS, MAX_DURATION_MS } from "#proto/contract.ts";
import { isHostName } from "./http/allowed-hosts.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "./logger.ts";

/** The value of a text that the user gave. `expected` completes the sentence "use …". */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly expected: string };

export interface Setting<T> {
  /** Name without dashes; null when the value must not be visible in a process list. */
  readonly flag: string | null;
  readonly variable: string;
  /** Name of the value in the help, such as `DURATION`; null for a switch. */
  readonly placeholder: string | null;
  /** The default as the user would write it; null when the setting is off unless given. */
  readonly defaultText: string | null;
  readonly help: string;
  parse(text: string): Parsed<T>;
}

export interface Address {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** All settings, in the order of the help. */
export const SETTINGS = {
  db: {
    flag: "db",
    variable: "RESEOLIO_DB",
    placeholder: "URL",
    defaultText: "sqlite://./reseolio.db",
    help: "where jobs are stored: a path, sqlite://PATH or postgres://USER@HOST/DATABASE",
    parse: parseDatabase,
  },
  address: {
    flag: "addr",
    variable: "RESEOLIO_ADDR",
    placeholder: "HOST:PORT",
    defaultText: DEFAULT_ADDRESS,
    help: "where to listen; port 0 takes a free one; other machines need a token and TLS",
    parse: parseAddress,
  },
  maxConcurrent: {
    flag: "max-concurrent",
    variable: "RESEOLIO_MAX_CONCURRENT",
    placeholder: "N",
    defaultText: "100",
    help: "jobs that run at once through this daemon; 0 for no limit",
    parse: wholeNumber(0, 1_000_000),
  },
  maxLosses: {
    flag: "max-losses",
    variable: "RESEOLIO_MAX_LOSSES",
    placeholder: "N",
    defaultText: "10",
    help: "a job that has crashed its worker this many times is DEAD",
    parse: wholeNumber(1, 1_000_000),
  },
  pollIntervalMs: {
    flag: "poll-interval",
    variable: "RESEOLIO_POLL_INTERVAL",
    placeholder: "DURATION",
    defaultText: "100ms",
    help: "how often to check for ready jobs that were not announced; dispatch does not depend on it",
    parse: durationBetween(10, MINUTE),
  },
  leaseMs: {
    flag: "lease",
    variable: "RESEOLIO_LEASE",
    placeholder: "DURATION",
    defaultText: "15s",
    help: "how long a silent worker keeps its jobs; a live one renews its lease every third of this",
    parse: durationBetween(1_000, 60 * MINUTE),
  },
  retentionMs: {
    flag: "retention",
    variable: "RESEOLIO_RETENTION",
    placeholder: "DURATION",
    defaultText: "7d",
    help: "how long finished and cancelled jobs are kept; 0 = forever",
    parse: durationBetween(0, MAX_DURATION_MS),
  },
  deadRetentionMs: {
    flag: "dead-retention",
    variable: "RESEOLIO_DEAD_RETENTION",
    placeholder: "DURATION",
    defaultText: "30d",
    help: "how long dead jobs are kept; 0 = forever",
    parse: durationBetween(0, MAX_DURATION_MS),
  },
  eventRetentionMs: {
    flag: "event-retention",
    variable: "RESEOLIO_EVENT_RETENTION",
    placeholder: "DURATION",
    defaultText: "30d",
    help: "how long events are kept for jobs that await them later; 0 = forever",
    parse: durationBetween(0, MAX_DURATION_MS),
  },
  token: {
    flag: null,
    variable: "RESEOLIO_TOKEN",
    placeholder: "TOKEN",
    defaultText: null,
    help: "secret that clients must send; never a flag, because other users can read command lines",
    parse: parseToken,
  },
  tokenFile: {
    flag: "token-file",
    variable: "RESEOLIO_TOKEN_FILE",
    placeholder: "PATH",
    defaultText: null,
    help: "a file with the token; takes precedence over RESEOLIO_TOKEN",
    parse: parsePath,
  },
  tlsCert: {
    flag: "tls-cert",
    variable: "RESEOLIO_TLS_CERT",
    placeholder: "PATH",
    defaultText: null,
    help: "certificate with its chain, PEM; needs --tls-key",
    parse: parsePath,
  },
  tlsKey: {
    flag: "tls-key",
    variable: "RESEOLIO_TLS_KEY",
    placeholder: "PATH",
    defaultText: null,
    help: "private key of the certificate, PEM",
    parse: parsePath,
  },
  insecure: {
    flag: "insecure",
    variable: "RESEOLIO_INSECURE",
    placeholder: null,
    defaultText: "false",
    help: "allow access from other machines without a token and TLS; only for trusted networks",
    parse: parseSwitch,
  },
  hostNames: {
    flag: "host-name",
    variable: "RESEOLIO_HOST_NAME",
    placeholder: "NAMES",
    defaultText: null,
    help: "additional host names that clients may use for this daemon, separated by commas",
    parse: parseHostNames,
  },
  lingerMs: {
    flag: "linger",
    variable: "RESEOLIO_LINGER",
    placeholder: "DURATION",
    defaultText: null,
    help: "exit this long after the last client disconnects; by default the daemon keeps running",
    parse: durationBetween(0, MAX_DURATION_MS),
  },
  manualClock: {
    flag: "manual-clock",
    variable: "RESEOLIO_MANUAL_CLOCK",
    placeholder: "TIME",
    defaultText: null,
    help: "for tests, with --db :memory: only; the clock stands still at this time until a client moves it",
    parse: parseTime,
  },
  logLevel: {
    flag: "log-level",
    variable: "RESEOLIO_LOG_LEVEL",
    placeholder: LOG_LEVELS.join("|"),
    defaultText: "info",
    help: "the least severe level that is logged to standard error",
    parse: oneOf<LogLevel>(LOG_LEVELS),
  },
  logFormat: {
    flag: "log-format",
    variable: "RESEOLIO_LOG_FORMAT",
    placeholder: LOG_FORMATS.join("|"),
    defaultText: "auto",
    help: "auto: text on a terminal, JSON lines elsewhere",
    parse: oneOf<LogFormat>(LOG_FORMATS),
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

function accept<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function reject(expected: string): { readonly ok: false; readonly expected: string } {
  return { ok: false, expected };
}

function parseDatabase(text: string): Parsed<string> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const isKnown = scheme === undefined || ["sqlite", "postgres", "postgresql"].includes(scheme);
  if (text.trim() !== "" && isKnown) return accept(text);
  return reject("a path, sqlite://PATH or postgres://USER@HOST/DATABASE");
}

function parseAddress(text: string): Parsed<Address> {
  const expected = "HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:50051 or [::1]:50051";
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? reject(expected) : accept({ host, port });
}

function wholeNumber(min: number, max: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? accept(value) : reject(`a whole number from ${min} to ${max}`);
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: MINUTE, h: 60 * MINUTE, d: DAY };

/** `500ms`, `10s`, `1.5h`, `1h30m`, or a bare number of milliseconds. */
function durationBetween(min: number, max: number): (text: string) => Parsed<number> {
  const range = `from ${formatDuration(min)} to ${formatDuration(max)}`;
  return (text) => {
    const value = parseDuration(text);
    return value >= min && value <= max
      ? accept(value)
      : reject(`a duration ${range}, such as 500ms, 10s, 10m, 2h or 7d`);
  };
}

function parseDuration(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (!/^(\d{1,12}(\.\d{1,6})?(ms|s|m|h|d))+$/.test(text)) return Number.NaN;
  const parts = text.matchAll(/([\d.]+)([a-z]+)/g);
  return Math.round([...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ""] ?? 0), 0));
}

function formatDuration(ms: number): string {
  for (const [unit, size] of Object.entries({ d: DAY, h: 60 * MINUTE, m: MINUTE, s: 1_000 })) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms === 0 ? "0" : `${ms}ms`;
}

/** Accepts what an HTTP header can carry. */
function parseToken(text: string): Parsed<string> {
  return /^[\x21-\x7e]+$/.test(text) ? accept(text) : reject("visible ASCII characters without spaces, at least one");
}

function parsePath(text: string): Parsed<string> {
  return text === "" ? reject("the path of a file") : accept(text);
}

function parseTime(text: string): Parsed<number> {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  return at >= 0 ? accept(at) : reject("a time with its zone, such as 2026-01-01T00:00:00Z");
}

function parseSwitch(text: string): Parsed<boolean> {
  if (["true", "1", "yes", "on"].includes(text)) return accept(true);
  return ["false", "0", "no", "off"].includes(text) ? accept(false) : reject("true or false");
}

function parseHostNames(text: string): Parsed<readonly string[]> {
  const names = text.split(",").map((name) => name.trim());
  return names.every(isHostName)
    ? accept(names)
    : reject("names without ports, such as jobs.example.com, separated by commas");
}

function oneOf<T extends string>(values: readonly T[]): (text: string) => Parsed<T> {
  return (text) => {
    const value = values.find((one) => one === text);
    return value === undefined ? reject(`one of ${values.join(", ")}`) : accept(value);
  };
}
