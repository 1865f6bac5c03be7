import { readFileSync, statSync } from "node:fs";
import { exposureFault } from "./http/bind-address.ts";
import { type LogFormat, type LogLevel, redact } from "./logger.ts";
import { type Address, type Setting, SETTINGS } from "./settings.ts";

/** The configuration of a daemon. Durations in milliseconds. */
export interface DaemonConfig {
  readonly version: string;
  /** Path or URL, as given. */
  readonly db: string;
  readonly host: string;
  readonly port: number;
  /** 0 = no limit. */
  readonly maxConcurrent: number;
  /** Losses after which a job that crashes its workers is DEAD. */
  readonly maxLosses: number;
  readonly pollIntervalMs: number;
  readonly leaseMs: number;
  /** 0 = forever. */
  readonly retentionMs: number;
  readonly deadRetentionMs: number;
  readonly eventRetentionMs: number;
  /** Null: serves everyone who can reach the port. */
  readonly token: string | null;
  /** PEM contents, not paths. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly insecure: boolean;
  readonly hostNames: readonly string[];
  /** Null: stays when the last client has disconnected. */
  readonly lingerMs: number | null;
  /** Start of a clock that only clients move, in milliseconds since the epoch. Null: real time. */
  readonly manualClock: number | null;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface ConfigSource {
  /** Values by the flag's name without dashes; a switch may be a boolean. An absent flag falls back to its variable. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Version of the executable. */
  readonly version: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: DaemonConfig; readonly warnings: readonly string[] }
  /** Each names the flag or variable, its value, and the valid values. */
  | { readonly ok: false; readonly faults: readonly string[] };

/**
 * Reads each setting from its flag, its variable or its default, in this order; an empty variable counts as absent.
 * Reads the files of token and TLS. Reports all faults at once.
 */
export function readConfig(source: ConfigSource): ConfigResult {
  const reader = new SettingReader(source);
  const { host, port } = reader.read(SETTINGS.address) ?? UNKNOWN_ADDRESS;
  const config: DaemonConfig = {
    version: source.version,
    db: reader.read(SETTINGS.db) ?? "",
    host,
    port,
    maxConcurrent: reader.read(SETTINGS.maxConcurrent) ?? 0,
    maxLosses: reader.read(SETTINGS.maxLosses) ?? 0,
    pollIntervalMs: reader.read(SETTINGS.pollIntervalMs) ?? 0,
    leaseMs: reader.read(SETTINGS.leaseMs) ?? 0,
    retentionMs: reader.read(SETTINGS.retentionMs) ?? 0,
    deadRetentionMs: reader.read(SETTINGS.deadRetentionMs) ?? 0,
    eventRetentionMs: reader.read(SETTINGS.eventRetentionMs) ?? 0,
    token: readToken(reader),
    tls: readTls(reader),
    insecure: reader.read(SETTINGS.insecure) ?? false,
    hostNames: reader.read(SETTINGS.hostNames) ?? [],
    lingerMs: reader.read(SETTINGS.lingerMs),
    manualClock: reader.read(SETTINGS.manualClock),
    logLevel: reader.read(SETTINGS.logLevel) ?? "info",
    logFormat: reader.read(SETTINGS.logFormat) ?? "auto",
  };
  checkExposure(config, reader);
  checkManualClock(config, reader);
  return reader.faults.length > 0
    ? { ok: false, faults: reader.faults }
    : { ok: true, config, warnings: reader.warnings };
}

/** Replaces an invalid address, which must not be reported as exposed too. */
const UNKNOWN_ADDRESS: Address = { host: "localhost", port: 0 };

/** Reads settings one by one and collects their faults. */
class SettingReader {
  readonly faults: string[] = [];
  readonly warnings: string[] = [];
  readonly #source: ConfigSource;

  constructor(source: ConfigSource) {
    this.#source = source;
  }

  /** Null when the setting is invalid, or neither given nor has a default. */
  read<T>(setting: Setting<T>): T | null {
    const given = this.find(setting);
    const text = given?.text ?? setting.defaultText;
    if (text === null) return null;
    const parsed = setting.parse(text);
    if (parsed.ok) return parsed.value;
    const shown = setting.flag === null ? "is set to a value that cannot be used" : `is ${quote(text)}`;
    this.faults.push(`${given?.name ?? "default"} ${shown}; use ${parsed.expected}`);
    return null;
  }

  /** The flag or variable that gives a setting, and its text. */
  find({ flag, variable }: Setting<unknown>): { readonly name: string; readonly text: string } | null {
    const value = flag === null ? undefined : this.#source.flags[flag];
    if (value !== undefined) return { name: `--${flag}`, text: String(value) };
    const text = this.#source.env[variable] ?? "";
    return text === "" ? null : { name: variable, text };
  }
}

function readToken(reader: SettingReader): string | null {
  const path = reader.read(SETTINGS.tokenFile);
  if (path === null) return reader.read(SETTINGS.token);
  const name = reader.find(SETTINGS.tokenFile)?.name ?? "";
  const text = readText(reader, name, path)?.trim();
  if (text === undefined) return null;
  const parsed = SETTINGS.token.parse(text);
  if (!parsed.ok) reader.faults.push(`${name}: the file ${quote(path)} must contain the token: ${parsed.expected}`);
  warnOfReaders(reader, path);
  return parsed.ok ? parsed.value : null;
}

/** Warns if other users of the machine can read the token. */
function warnOfReaders(reader: SettingReader, path: string): void {
  const others = 0o077;
  if (process.platform === "win32" || (statSync(path).mode & others) === 0) return;
  reader.warnings.push(`other users of this machine can read the token in ${path}: chmod 600 ${path}`);
}

function readTls(reader: SettingReader): DaemonConfig["tls"] {
  const certPath = reader.read(SETTINGS.tlsCert);
  const keyPath = reader.read(SETTINGS.tlsKey);
  if (certPath === null && keyPath === null) return null;
  const cert = certPath === null ? null : readText(reader, reader.find(SETTINGS.tlsCert)?.name ?? "", certPath);
  const key = keyPath === null ? null : readText(reader, reader.find(SETTINGS.tlsKey)?.name ?? "", keyPath);
  if (certPath === null) reader.faults.push("--tls-key is given without --tls-cert; TLS needs both");
  if (keyPath === null) reader.faults.push("--tls-cert is given without --tls-key; TLS needs both");
  return cert === null || key === null ? null : { cert, key };
}

function readText(reader: SettingReader, name: string, path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    reader.faults.push(`${name} is ${quote(path)}, which cannot be read: ${reason}`);
    return null;
  }
}

function checkExposure(config: DaemonConfig, reader: SettingReader): void {
  const { host, token, tls, insecure } = config;
  // A token or TLS file that is invalid still counts: it has a fault of its own.
  const hasToken = token !== null || reader.find(SETTINGS.tokenFile) !== null || reader.find(SETTINGS.token) !== null;
  const hasTls = tls !== null || reader.find(SETTINGS.tlsCert) !== null || reader.find(SETTINGS.tlsKey) !== null;
  const fault = exposureFault({ host, hasToken, hasTls, insecure });
  const name = reader.find(SETTINGS.address)?.name ?? "--addr";
  if (fault !== null) reader.faults.push(`${name}: ${fault}`);
}

/** A manual clock never advances by itself: refuse it on a real database. */
function checkManualClock({ manualClock, db }: DaemonConfig, reader: SettingReader): void {
  if (manualClock === null || db === ":memory:") return;
  const name = reader.find(SETTINGS.manualClock)?.name ?? "";
  reader.faults.push(`${name} is for tests and needs --db :memory:, but the database is ${quote(db)}`);
}

function quote(text: string): string {
  return JSON.stringify(redact(text));
}
