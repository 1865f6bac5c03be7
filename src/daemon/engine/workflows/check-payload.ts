import { WIRE_LIMITS } from "#proto/contract.ts";
import { DaemonError } from "../../core/errors.ts";

/** Checks the payload of an event or a signal. @throws DaemonError `resource_exhausted` that names the limit */
export function checkPayload(payload: Uint8Array): void {
  if (payload.byteLength <= WIRE_LIMITS.payloadBytes) return;
  const description =
    `is ${payload.byteLength} bytes long; at most ${WIRE_LIMITS.payloadBytes} are allowed: ` +
    "store the data elsewhere and pass its id";
  throw new DaemonError("resource_exhausted", `payload ${description}`, {
    violations: [{ field: "payload", description }],
    metadata: { field: "payload", limitBytes: String(WIRE_LIMITS.payloadBytes) },
  });
}
