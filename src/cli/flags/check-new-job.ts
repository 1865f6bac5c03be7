import { WIRE_LIMITS } from "#proto/contract.ts";
import { usageError } from "../exit.ts";

/** @throws CliError `usage` when the daemon would refuse the name or the size */
export function checkNewJob(functionName: string, args: Uint8Array, where: string): void {
  if (functionName.trim() === "")
    throw usageError(`${where}the function's name is empty`, `give a name such as "orders:payment:charge"`);
  if (args.length > WIRE_LIMITS.payloadBytes) {
    throw usageError(
      `${where}the arguments have ${args.length} bytes; at most ${WIRE_LIMITS.payloadBytes} are allowed`,
      "keep large values elsewhere and pass where they are",
    );
  }
}
