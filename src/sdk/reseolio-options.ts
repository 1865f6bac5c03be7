import { DEFAULT_ADDRESS } from "#proto/contract.ts";
import { ReseolioError } from "./errors.ts";
import { type Logger, stderrLogger } from "./logger.ts";
import { checkOptions } from "./options/option-faults.ts";
import { SESSION_DEFAULTS, type SessionSettings } from "./session/session-settings.ts";
import type { SidecarOptions } from "./sidecar/sidecar.ts";
import { DEFAULT_STORAGE, parseStorage, type Storage } from "./sidecar/storage.ts";
import { parseAddresses } from "./transport/address.ts";
import type { TlsOptions, TransportOptions } from "./transport/transport.ts";
import { type TestHooks, testHooksOf } from "./workflow/test-hooks.ts";

/**
 * Options of a client, all optional. An option overrides its environment variable, which overrides the default in
 * brackets.
 *
 * @example
 * ```ts
 * const caller = new Reseolio({ address: "jobs.example.com:50051", tls: true, autoStart: false, workerConcurrency: 0 });
 * ```
 */
export interface ReseolioOptions {
  /**
   * Where the daemon keeps its jobs: a path, `sqlite://path` or `postgres://…`; a relative path is resolved against the
   * current directory. [`RESEOLIO_DB`, else sqlite://./reseolio.db; with autoStart: false whatever the daemon serves]
   */
  readonly storage?: string;
  /**
   * `host:port`, `http://…` or `https://…`. For a cluster several, as a list or comma-separated: they are tried in
   * turn, and jobs under way continue with the next daemon. [`RESEOLIO_ADDR`, else 127.0.0.1:50051]
   */
  readonly address?: string | readonly string[];
  /** Number of handlers that run concurrently; 0: the client runs none. [10] */
  readonly workerConcurrency?: number;
  /**
   * Number of handlers kept in memory while they wait for a sleep, an event or another job. Beyond it, those that have
   * waited longest are dropped from memory; they are replayed from their checkpoints when their wait ends. [1000]
   */
  readonly maxParkedHandlers?: number;
  /** Start a daemon if none answers at an address of this host. [true; false with several addresses] */
  readonly autoStart?: boolean;
  /** The executable to start. [`RESEOLIO_BINARY`, the package for this platform, `PATH`] */
  readonly coreBinaryPath?: string;
  /** The daemon's access token. [`RESEOLIO_TOKEN`] */
  readonly token?: string;
  /** `true`: TLS with the system's certificate authorities. An `https://` address implies it. [off] */
  readonly tls?: boolean | TlsOptions;
  /** How long a call waits for its answer while the daemon is away, in milliseconds. [30000] */
  readonly callTimeoutMs?: number;
  /** How long `start()` tries to connect, in milliseconds. [15000] */
  readonly connectTimeoutMs?: number;
  /** How long `stop()` lets handlers run before their signals fire, in milliseconds. [10000] */
  readonly drainTimeoutMs?: number;
  /** Where the client and `context().log` write. [stderr, one line per message] */
  readonly logger?: Logger;
}

/** Options with their defaults, grouped by the part that needs them. */
export interface ReseolioSettings {
  readonly client: TransportOptions;
  readonly sidecar: Omit<SidecarOptions, "client" | "logger">;
  readonly session: SessionSettings;
  readonly workerConcurrency: number;
  readonly maxParkedHandlers: number;
  readonly drainTimeoutMs: number;
  readonly logger: Logger;
  /** Set for clients of a test world. */
  readonly testHooks: TestHooks;
}

const DEFAULT_CONCURRENCY = 10;
const MAX_CONCURRENCY = 100_000;
const DEFAULT_PARKED_HANDLERS = 1_000;
const MAX_PARKED_HANDLERS = 10_000_000;
/** Longer than the 10 s that a daemon has to start. */
const DEFAULT_CONNECT_TIMEOUT_MS = 15_000;
const DEFAULT_DRAIN_TIMEOUT_MS = 10_000;
const MAX_TIME_MS = 2 ** 31 - 1;

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof ReseolioOptions>([
  "storage",
  "address",
  "workerConcurrency",
  "maxParkedHandlers",
  "autoStart",
  "coreBinaryPath",
  "token",
  "tls",
  "callTimeoutMs",
  "connectTimeoutMs",
  "drainTimeoutMs",
  "logger",
]);

/**
 * Resolves each option: the given value, else the environment, else the default.
 *
 * @throws ReseolioError `invalid_argument` that names the option, its value and valid ones
 */
export function resolveOptions(options: ReseolioOptions, env: NodeJS.ProcessEnv, cwd: string): ReseolioSettings {
  refuseUnknown(options);
  const address = options.address ?? nonEmpty(env["RESEOLIO_ADDR"]) ?? DEFAULT_ADDRESS;
  const token = options.token ?? nonEmpty(env["RESEOLIO_TOKEN"]);
  const tls = options.tls;
  const isOneAddress = parseAddresses(address, tls !== undefined && tls !== false).length === 1;
  const autoStart = options.autoStart ?? isOneAddress;
  if (autoStart && !isOneAddress) throw severalToStart();
  return {
    client: { address, ...(token === undefined ? {} : { token }), ...(tls === undefined ? {} : { tls }) },
    sidecar: {
      storage: storageOf(options, autoStart, env, cwd),
      autoStart,
      coreBinaryPath: options.coreBinaryPath,
      token,
    },
    session: {
      ...SESSION_DEFAULTS,
      callTimeoutMs: whole("callTimeoutMs", options.callTimeoutMs, SESSION_DEFAULTS.callTimeoutMs, 1, MAX_TIME_MS),
      connectTimeoutMs: whole("connectTimeoutMs", options.connectTimeoutMs, DEFAULT_CONNECT_TIMEOUT_MS, 1, MAX_TIME_MS),
    },
    workerConcurrency: whole("workerConcurrency", options.workerConcurrency, DEFAULT_CONCURRENCY, 0, MAX_CONCURRENCY),
    maxParkedHandlers: whole(
      "maxParkedHandlers",
      options.maxParkedHandlers,
      DEFAULT_PARKED_HANDLERS,
      0,
      MAX_PARKED_HANDLERS,
    ),
    drainTimeoutMs: whole("drainTimeoutMs", options.drainTimeoutMs, DEFAULT_DRAIN_TIMEOUT_MS, 0, MAX_TIME_MS),
    logger: options.logger ?? stderrLogger,
    testHooks: testHooksOf(options),
  };
}

function severalToStart(): ReseolioError {
  return new ReseolioError(
    "invalid_argument",
    "option autoStart is true with several addresses, but the daemons of a cluster are started separately; leave it out",
  );
}

function storageOf(
  options: ReseolioOptions,
  autoStart: boolean,
  env: NodeJS.ProcessEnv,
  cwd: string,
): Storage | undefined {
  const named = options.storage ?? (autoStart ? (nonEmpty(env["RESEOLIO_DB"]) ?? DEFAULT_STORAGE) : undefined);
  return named === undefined ? undefined : parseStorage(named, cwd);
}

function whole(name: string, value: number | undefined, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ReseolioError("invalid_argument", `option ${name} is ${value}; use a whole number from ${min} to ${max}`);
}

function refuseUnknown(options: ReseolioOptions): void {
  checkOptions(options);
  for (const name of Object.keys(options)) {
    if (OPTION_NAMES.has(name)) continue;
    const known = [...OPTION_NAMES].join(", ");
    throw new ReseolioError("invalid_argument", `option ${name} does not exist; the options are ${known}`);
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}
