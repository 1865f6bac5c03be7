/** Settings of client and worker processes: JSON in one environment variable. */

/** For `client.ts`. */
export interface ClientSettings {
  readonly address: string;
  readonly functionName: string;
  /** Names of the clients in this process; each has a connection of its own. */
  readonly clients: readonly string[];
  /** Calls under way in each. */
  readonly inFlight: number;
  readonly log: string;
  /** Jobs of each client, then the process ends; null: until it is killed. */
  readonly count: number | null;
  /** Between the calls of one lane. [0] */
  readonly pauseMs?: number;
}

/** For `worker.ts`. */
export interface WorkerSettings {
  /** Address of one daemon, or of several of a cluster, tried in this order. */
  readonly address: string | readonly string[];
  readonly functionName: string;
  readonly concurrency: number;
  /** How long a handler takes, chosen at random. */
  readonly minMs: number;
  readonly maxMs: number;
  readonly log: string;
}

/** For `chaos/worker.ts`. */
export interface FlowWorkerSettings extends WorkerSettings {
  readonly flowName: string;
  readonly sleepMs: number;
  readonly flowLog: string;
}

/** For `events/waiter.ts`. */
export interface WaiterSettings {
  readonly address: string;
  readonly functionName: string;
  readonly concurrency: number;
  readonly log: string;
}

/** For `undo/worker.ts`. */
export interface OrderWorkerSettings {
  readonly address: string;
  readonly functionName: string;
  readonly concurrency: number;
  readonly maxParkedHandlers: number;
  readonly log: string;
}

/** For `chaos/caller.ts`. */
export interface CallerSettings {
  /** Address of one daemon, or of several of a cluster, tried in this order. */
  readonly address: string | readonly string[];
  readonly functionName: string;
  /** The workflow that is called from time to time instead of `functionName`. */
  readonly flowName: string;
  /** Distinguishes this caller's calls from those of other callers. */
  readonly name: string;
  /** Calls under way. */
  readonly lanes: number;
  /** Between the calls of one lane. */
  readonly pauseMs: number;
  readonly callTimeoutMs: number;
  readonly resultTimeoutMs: number;
  readonly log: string;
}

/** Where a child finds its settings. */
export const SETTINGS_VARIABLE = "SOAK_SETTINGS";

/** Throws when this process was not started by the soak. */
export function readSettings<Settings>(): Settings {
  const text = process.env[SETTINGS_VARIABLE];
  if (text === undefined) throw new Error(`${SETTINGS_VARIABLE} is not set; this program is started by: bun run soak`);
  return JSON.parse(text) as Settings;
}

/** A process of the soak does not outlive the one that started it. */
export function endWithParent(): void {
  process.stdin.on("end", () => process.exit(0)).resume();
}
