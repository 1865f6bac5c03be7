/**
 * The daemon of a test world: the real executable, with an in-memory database and a clock that only the world moves.
 * It is the same for Node and Bun and the same as in production: nothing is mocked.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { ReseolioError } from "../sdk/errors.ts";
import { findBinary } from "../sdk/sidecar/find-binary.ts";

export interface TestDaemon {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** The end of its output, for error messages. */
  readonly logs: string;
  /** Kills the process; its data is lost. */
  kill(): Promise<void>;
}

export interface TestDaemonOptions {
  /** Initial time of its clock. */
  readonly now: Date;
  /** [as the SDK finds the executable] */
  readonly coreBinaryPath?: string | undefined;
}

const START_TIMEOUT_MS = 10_000;
const MAX_LOG_CHARS = 16_384;
/** How long it keeps running after a test run was killed. */
const LINGER = "5s";

/** @throws ReseolioError `daemon_start` with the output of the executable */
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

/** Finished jobs are retained forever, because a test may move the clock past any retention. */
const ARGUMENTS = [
  ...["serve", "--db", ":memory:", "--addr", "127.0.0.1:0", "--linger", LINGER],
  ...["--retention", "0", "--dead-retention", "0", "--event-retention", "0", "--max-concurrent", "0"],
  ...["--log-format", "json", "--log-level", "info"],
] as const;

/** Without variables that change Bun, and without the settings of a real daemon. */
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
      const message = `the test daemon did not start: ${reason}; its output: ${logs()}`;
      reject(new ReseolioError("daemon_start", message));
    };
    const timer = setTimeout(() => fail(`it did not answer within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    void ended.then(fail);
    void address.then(resolve).finally(() => clearTimeout(timer));
  });
}
