import { WIRE_LIMITS } from "#proto/contract.ts";
import { usageError } from "../exit.ts";

/** @throws CliError `usage` if the daemon would reject the name or the size */
export function checkNewJob(functionName: string, args: Uint8Array, where: string): void {
  if (functionName.trim() === "")
    throw usageError(`${where}the function name is empty`, `use a name such as "orders:payment:charge"`);
  if (args.length > WIRE_LIMITS.payloadBytes) {
    throw usageError(
      `${where}the arguments are ${args.length} bytes long; the limit is ${WIRE_LIMITS.payloadBytes}`,
      "store large values elsewhere and pass a reference",
    );
  }
}
