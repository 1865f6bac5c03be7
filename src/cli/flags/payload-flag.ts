import { WIRE_LIMITS } from "#proto/contract.ts";
import type { Flags } from "../command.ts";
import { usageError } from "../exit.ts";
import { jsonBytes, readTextFlag } from "./read-input.ts";

/** The payload of an event or a signal. */
export const PAYLOAD_FLAG = {
  payload: {
    type: "string",
    valueHint: "JSON",
    description: "Payload for the waiting jobs: JSON, @FILE, or - for stdin [null]",
  },
} as const satisfies Flags;

/** @throws CliError `usage` */
export async function readPayload(given: string | undefined, say: (text: string) => void): Promise<Uint8Array> {
  const text = await readTextFlag("--payload", given ?? "null", say);
  const payload = jsonBytes(text, "--payload", `use a JSON value such as '{"paid": true}' or '"yes"'`);
  if (payload.length <= WIRE_LIMITS.payloadBytes) return payload;
  throw usageError(
    `--payload is ${payload.length} bytes long; the limit is ${WIRE_LIMITS.payloadBytes}`,
    "store large values elsewhere and pass a reference",
  );
}
