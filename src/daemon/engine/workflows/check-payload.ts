import { DaemonError } from "../../core/errors.ts";
import { LIMITS } from "../../core/job-options.ts";

/** Checks the payload of an event or a signal. @throws DaemonError `resource_exhausted` that names the limit */
export function checkPayload(payload: Uint8Array): void {
  if (payload.byteLength <= LIMITS.payloadBytes) return;
  const description =
    `has ${payload.byteLength} bytes; at most ${LIMITS.payloadBytes} are allowed: ` +
    "store the data elsewhere and pass its id";
  throw new DaemonError("resource_exhausted", `payload ${description}`, {
    violations: [{ field: "payload", description }],
    metadata: { field: "payload", limitBytes: String(LIMITS.payloadBytes) },
  });
}
