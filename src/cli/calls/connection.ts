/** How commands reach the daemon. */
import { DEFAULT_ADDRESS } from "#proto/contract.ts";
import type { Client } from "../../sdk/transport/client.ts";
import type { CommandContext, Flags } from "../command.ts";
import { type CliError, usageError } from "../exit.ts";
import { readTextFile } from "../flags/read-input.ts";
import { parseDuration } from "../text/duration.ts";
import { cliErrorFrom } from "./rpc-errors.ts";
import { waitUntilListening } from "./starting-daemon.ts";

export const ADDRESS_FLAGS = {
  addr: {
    type: "string",
    valueHint: "HOST:PORT",
    description: `Address of the daemon; separate several with commas [${DEFAULT_ADDRESS}]`,
    env: "RESEOLIO_ADDR",
  },
  "token-file": {
    type: "string",
    valueHint: "FILE",
    description: "File that contains the daemon's token; or set the token itself in RESEOLIO_TOKEN",
    env: "RESEOLIO_TOKEN_FILE",
  },
  tls: { type: "boolean", description: "Use TLS with the system's CA certificates", env: "RESEOLIO_TLS" },
  "tls-ca": {
    type: "string",
    valueHint: "FILE",
    description: "Use TLS and trust this CA certificate (PEM)",
    env: "RESEOLIO_TLS_CA",
  },
} as const satisfies Flags;

export const CONNECTION_FLAGS = {
  ...ADDRESS_FLAGS,
  "call-timeout": {
    type: "string",
    valueHint: "DURATION",
    description: "How long to wait for a response from the daemon [15s]",
    env: "RESEOLIO_CALL_TIMEOUT",
  },
} as const satisfies Flags;

type AddressContext = CommandContext<typeof ADDRESS_FLAGS>;
type ConnectionContext = CommandContext<typeof CONNECTION_FLAGS>;

/** How to reach the daemon, as the SDK expects it. */
export interface Endpoint {
  readonly address: string;
  readonly token?: string;
  readonly tls?: boolean | { readonly ca: string };
}

/** @throws CliError `usage` when a file cannot be read */
export function readEndpoint({ flags, env }: Pick<AddressContext, "flags" | "env">): Endpoint {
  const address = flags.addr ?? nonEmpty(env["RESEOLIO_ADDR"]) ?? DEFAULT_ADDRESS;
  const token = readToken(flags["token-file"], env);
  const ca = flags["tls-ca"] ?? nonEmpty(env["RESEOLIO_TLS_CA"]);
  const tls = flags.tls || isTrue(env["RESEOLIO_TLS"]);
  return {
    address,
    ...(token === undefined ? {} : { token }),
    ...(ca !== undefined ? { tls: { ca: readAuthority(ca) } } : tls ? { tls: true } : {}),
  };
}

/** Runs `work` with a client and closes it afterwards. Errors of the connection and the daemon become CliErrors. */
export async function withClient<T>(context: ConnectionContext, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await openClient(context);
  try {
    return await work(client);
  } catch (error) {
    throw cliErrorFrom(error);
  } finally {
    client.close();
  }
}

/** Opens a client that the caller must close. */
async function openClient(context: ConnectionContext): Promise<Client> {
  const endpoint = readEndpoint(context);
  const timeoutMs = readCallTimeout(context.flags["call-timeout"] ?? nonEmpty(context.env["RESEOLIO_CALL_TIMEOUT"]));
  // Loaded on demand, so that help and usage errors stay fast.
  const { createClient } = await import("../../sdk/transport/client.ts");
  const client = usable(() => createClient({ ...endpoint, ...(timeoutMs === undefined ? {} : { timeoutMs }) }));
  const { address, addressCount } = client.transport;
  if (addressCount === 1) await waitUntilListening(address);
  return client;
}

function usable(create: () => Client): Client {
  try {
    return create();
  } catch (error) {
    throw addressError(error);
  }
}

function readAuthority(path: string): string {
  const pem = readTextFile(path, "--tls-ca");
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw usageError(
    `--tls-ca: ${path} does not contain a certificate`,
    "use a PEM file; it has a line BEGIN CERTIFICATE",
  );
}

function readToken(file: string | undefined, env: AddressContext["env"]): string | undefined {
  const path = file ?? nonEmpty(env["RESEOLIO_TOKEN_FILE"]);
  if (path === undefined) return nonEmpty(env["RESEOLIO_TOKEN"]);
  const token = readTextFile(path, "--token-file").trim();
  if (token === "") throw usageError(`--token-file: ${path} is empty`, "it must contain the daemon's token");
  return token;
}

function readCallTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === null || ms <= 0)
    throw usageError(
      `invalid value for --call-timeout: ${JSON.stringify(text)}`,
      "use a duration such as 500ms, 10s or 2m",
    );
  return ms;
}

function addressError(error: unknown): CliError {
  return usageError(error instanceof Error ? error.message : String(error), "check --addr or RESEOLIO_ADDR");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

function isTrue(text: string | undefined): boolean {
  return text === "1" || text === "true";
}
