/**
 * The daemon that the SDK starts by itself. All programs with the same address and storage share it; it exits a while
 * after its last client has disconnected.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GetInfoResponse } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { ConnectionError, ReseolioError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Client } from "../transport/client.ts";
import { reseolioErrorFrom } from "../transport/connect-errors.ts";
import { findBinary } from "./find-binary.ts";
import { isSameStorage, type Storage, storageName } from "./storage.ts";

export interface SidecarOptions {
  readonly client: Client;
  /** The storage that the daemon must serve; undefined: any. */
  readonly storage: Storage | undefined;
  /** Start a daemon if none answers. */
  readonly autoStart: boolean;
  readonly coreBinaryPath: string | undefined;
  readonly token: string | undefined;
  readonly logger: Logger;
}

/** How long the daemon stays after its last client has disconnected. */
const LINGER = "10s";
const PROBE_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 10_000;
/** If the daemon found its file or port in use, it may have lost a race: the winner has this long to answer. */
const RIVAL_START_MS = 500;
/** How long to retry the start while a rival does not answer: it may be exiting. */
const RIVAL_TIMEOUT_MS = 3_000;
const FIRST_POLL_MS = 10;
const MAX_POLL_MS = 200;
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const SHOWN_LOG_BYTES = 4 * 1024;

export class Sidecar {
  /** False once the daemon turns out to be run by other means: the SDK must not replace it. */
  #mayStart: boolean;

  readonly #options: SidecarOptions;

  constructor(options: SidecarOptions) {
    this.#options = options;
    this.#mayStart = options.autoStart && isOnThisHost(options.client.transport.address);
  }

  /**
   * Resolves when a daemon with the right storage answers at the address; starts one if necessary.
   *
   * @throws ReseolioError `storage_mismatch` when the daemon there serves another storage, `daemon_start` when none
   *   could be started; ConnectionError when none answers and none may be started
   */
  async ensure(): Promise<void> {
    const { client, storage } = this.#options;
    if (storage === undefined) return;
    const info = await this.#probe();
    if (info !== null) this.#check(info, storage);
    else if (this.#mayStart) this.#check(await this.#start(storage), storage);
    else throw noDaemon(client);
  }

  /** Null when no daemon answers. */
  async #probe(): Promise<GetInfoResponse | null> {
    try {
      return await this.#options.client.daemon.getInfo({}, { timeoutMs: PROBE_TIMEOUT_MS });
    } catch (error) {
      const known = reseolioErrorFrom(error);
      if (known.code === "connection") return null;
      throw known.code === "internal" ? this.#stranger(known) : known;
    }
  }

  #stranger(cause: ReseolioError): ReseolioError {
    const { text } = this.#options.client.transport.address;
    const message = `the server at ${text} is not a Reseolio daemon (${cause.message}); use another address`;
    return new ReseolioError("daemon_start", message, { cause });
  }

  #check(info: GetInfoResponse, storage: Storage): void {
    if (!isSameStorage(storage, info.storageKind, info.storageName)) {
      const { text } = this.#options.client.transport.address;
      throw new ReseolioError(
        "storage_mismatch",
        `the daemon at ${text} serves ${info.storageKind} ${info.storageName}, but this client expects ${storage.kind} ` +
          `${storageName(storage)}; use another address for a second daemon, or configure the same storage`,
      );
    }
    this.#mayStart = this.#options.autoStart && info.lingering;
  }

  /** A daemon that is exiting may still hold its file: retries for a while. */
  async #start(storage: Storage): Promise<GetInfoResponse> {
    const binary = findBinary({ coreBinaryPath: this.#options.coreBinaryPath });
    const rivalEndAt = performance.now() + RIVAL_TIMEOUT_MS;
    for (;;) {
      const log = openLog(storage, this.#options.client.transport.address.port);
      const { child, exit } = this.#spawn(binary, storage, log);
      const info = await this.#waitUntilReady(exit, log).finally(() => detach(child));
      if (info !== null) return info;
      if (!hasRival(log) || performance.now() >= rivalEndAt) throw notStarted(exit, log);
    }
  }

  #spawn(binary: string, storage: Storage, log: Log): { child: ChildProcess; exit: Exit } {
    const { address } = this.#options.client.transport;
    // A URL may contain a password, and every user of the machine can read command-line arguments.
    const db = storage.kind === "sqlite" ? ["--db", storage.path] : [];
    const child = spawn(binary, ["serve", ...db, "--addr", `${address.host}:${address.port}`, "--linger", LINGER], {
      detached: true,
      stdio: ["ignore", log.descriptor, log.descriptor],
      env: this.#environment(storage),
      windowsHide: true,
    });
    closeSync(log.descriptor);
    this.#options.logger.debug("starting the daemon", { binary, storage: storageName(storage), log: log.path });
    const exit: Exit = { reason: null };
    child.on("error", (error) => (exit.reason = `${binary} could not be started: ${error.message}`));
    child.on("exit", (code, signal) => (exit.reason = `${binary} serve ended with ${signal ?? `exit code ${code}`}`));
    return { child, exit };
  }

  /** Without BUN_* variables, which would change what the executable runs. */
  #environment(storage: Storage): NodeJS.ProcessEnv {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BUN_")));
    if (storage.kind === "postgres") env["RESEOLIO_DB"] = storage.url;
    if (this.#options.token !== undefined) env["RESEOLIO_TOKEN"] = this.#options.token;
    return env;
  }

  /** Null when the process ended and no daemon answers. */
  async #waitUntilReady(exit: Exit, log: Log): Promise<GetInfoResponse | null> {
    let endAt = performance.now() + START_TIMEOUT_MS;
    for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const hasEnded = exit.reason !== null;
      const info = await this.#probe();
      if (info !== null) return info;
      const now = performance.now();
      if (hasEnded) endAt = Math.min(endAt, now + (hasRival(log) ? RIVAL_START_MS : 0));
      if (now >= endAt && hasEnded) return null;
      if (now >= endAt) throw notStarted(exit, log);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
}

/** Detaches the daemon, which keeps running, so that it does not keep this process alive. */
function detach(child: ChildProcess): void {
  child.removeAllListeners();
  // A late error of an abandoned process is of no interest.
  child.on("error", () => {});
  child.unref();
}

/** Set when the process has ended. */
interface Exit {
  reason: string | null;
}

interface Log {
  readonly path: string;
  readonly descriptor: number;
  /** Where the output of this start begins. */
  readonly offset: number;
}

/** Next to the database, or in the temporary directory if there is no file or it is not writable there. */
function openLog(storage: Storage, port: number): Log {
  const fallback = join(tmpdir(), `reseolio-${port}.log`);
  if (storage.kind === "postgres") return openLogAt(fallback);
  try {
    return openLogAt(`${storage.path}.log`);
  } catch {
    return openLogAt(fallback);
  }
}

function openLogAt(path: string): Log {
  if (existsSync(path) && statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  const descriptor = openSync(path, "a", 0o600);
  return { path, descriptor, offset: statSync(path).size };
}

function notStarted(exit: Exit, log: Log): ReseolioError {
  const reason = exit.reason ?? `it did not answer within ${START_TIMEOUT_MS} ms`;
  const text = readLog(log);
  const output = text === "" ? "it wrote nothing" : `its output: ${text}`;
  return new ReseolioError("daemon_start", `the daemon did not start: ${reason}; ${output} (log: ${log.path})`);
}

/** The end of the output of this start; empty if it cannot be read. */
function readLog({ path, offset }: Log): string {
  try {
    return readFileSync(path).subarray(offset).subarray(-SHOWN_LOG_BYTES).toString().trim();
  } catch {
    return "";
  }
}

/** Checks the output: the exit code is the same for any failed start. */
function hasRival(log: Log): boolean {
  return readLog(log).includes("in use");
}

function isOnThisHost({ host, secure }: { readonly host: string; readonly secure: boolean }): boolean {
  return !secure && (host === "localhost" || host === "[::1]" || host.startsWith("127."));
}

function noDaemon(client: Client): ConnectionError {
  const { text } = client.transport.address;
  return new ConnectionError(text, `no daemon answers at ${text}; start one with: reseolio serve --addr ${text}`);
}
