/** How the demo and its application communicate: settings in the environment, events as JSON lines on stdout. */

/** Each is delivered once. */
export const WEBHOOKS: readonly string[] = ["order-1001", "order-1002", "order-1003", "order-1004", "order-1005"];

/** Settings of the application. */
export interface AppSettings {
  readonly storage: string;
  readonly address: string;
  readonly coreBinaryPath: string;
  readonly receiverUrl: string;
}

/** Events that the application reports. */
export type AppEvent =
  | { readonly kind: "started" }
  /** The call is on disk. `wasThere`: an earlier start had stored it. */
  | { readonly kind: "stored"; readonly webhook: string; readonly jobId: string; readonly wasThere: boolean }
  | { readonly kind: "disconnected" }
  | { readonly kind: "reconnected" }
  /** Every result has been awaited. */
  | { readonly kind: "finished" };

/** The settings as the variables of its process. */
export function appEnvironment(settings: AppSettings): Record<string, string> {
  return {
    DEMO_STORAGE: settings.storage,
    DEMO_ADDRESS: settings.address,
    DEMO_BINARY: settings.coreBinaryPath,
    DEMO_RECEIVER: settings.receiverUrl,
  };
}

/** Throws with the name of the variable that is missing: the application is started by the demo. */
export function readAppSettings(env: NodeJS.ProcessEnv): AppSettings {
  return {
    storage: required(env, "DEMO_STORAGE"),
    address: required(env, "DEMO_ADDRESS"),
    coreBinaryPath: required(env, "DEMO_BINARY"),
    receiverUrl: required(env, "DEMO_RECEIVER"),
  };
}

/** Null for a line that is not an event, such as a library's warning. */
export function parseAppEvent(line: string): AppEvent | null {
  if (!line.startsWith('{"kind":')) return null;
  return JSON.parse(line) as AppEvent;
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  throw new Error(`${name} is not set; this program is started by the demo: bun run demo`);
}
