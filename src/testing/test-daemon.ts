/**
 * The daemon of a test world: the executable itself, on a database in memory, with a clock that only the world moves.
 * It is the same for Node and Bun, and it is the daemon of production: nothing is imitated.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { ReseolioError } from "../sdk/errors.ts";
import { findBinary } from "../sdk/sidecar/find-binary.ts";

export interface TestDaemon {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** The last of what it wrote, for a message. */
  readonly logs: string;
  /** Ends it at once: what it holds is gone with it. */
  kill(): Promise<void>;
}

export interface TestDaemonOptions {
  /** Where its clock starts. */
  readonly now: Date;
  /** [as the SDK finds the executable] */
  readonly coreBinaryPath?: string | undefined;
}

const START_TIMEOUT_MS = 10_000;
const MAX_LOG_CHARS = 16_384;
/** How long it outlives a test run that was killed. */
const LINGER = "5s";

/** @throws ReseolioError `daemon_start` with what the executable said */
export async function startTestDaemon({ now, coreBinaryPath }: TestDaemonOptions): Promise<TestDaemon> {
  const binary = findBinary({ coreBinaryPath });
  const child = spawn(binary, [...ARGUMENTS, "--manual-clock", now.toISOString()], {
    stdio: ["ignore", "ignore", "pipe"],
    env: environment(),
    windowsHide: true,
  });
  const log = followLog(child);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`${binary} could not be started: ${error.message}`));
    child.once("exit", (code, signal) => resolve(`${binary} serve ended with ${signal ?? `exit code ${code}`}`));
  });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  try {
    const address = await firstOf(log.address, ended, () => log.text);
    return {
      address,
      kill,
      get logs() {
        return log.text;
      },
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Finished jobs stay: a test moves the clock past every retention. */
const ARGUMENTS = [
  ...["serve", "--db", ":memory:", "--addr", "127.0.0.1:0", "--linger", LINGER],
  ...["--retention", "0", "--dead-retention", "0", "--event-retention", "0", "--max-concurrent", "0"],
  ...["--log-format", "json", "--log-level", "info"],
] as const;

/** Neither what changes Bun nor the settings of a real daemon. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(BUN|RESEOLIO)_/.test(name)));
}

interface Log {
  readonly address: Promise<string>;
  readonly text: string;
}

function followLog(child: ChildProcess): Log {
  let text = "";
  const address = new Promise<string>((resolve) => {
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-MAX_LOG_CHARS);
      const listening = /^\{.*"message":"listening".*\}$/m.exec(text)?.[0];
      if (listening !== undefined) resolve((JSON.parse(listening) as { address: string }).address);
    });
  });
  return {
    address,
    get text() {
      return text;
    },
  };
}

/** @throws ReseolioError `daemon_start` when the process ends before it listens, or takes too long */
function firstOf(address: Promise<string>, ended: Promise<string>, logs: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      const message = `the daemon of the test did not start: ${reason}; it said: ${logs()}`;
      reject(new ReseolioError("daemon_start", message));
    };
    const timer = setTimeout(() => fail(`it did not answer within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    void ended.then(fail);
    void address.then(resolve).finally(() => clearTimeout(timer));
  });
}
