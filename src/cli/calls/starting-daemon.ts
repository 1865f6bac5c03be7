import { connect } from "node:net";
import type { Address } from "../../sdk/transport/address.ts";

/** How long to wait for a daemon to start: `reseolio serve` listens within about 0.2 s. */
const PATIENCE_MS = 1_000;
const RETRY_MS = 25;

/**
 * Resolves once something listens at an address of this machine, or after a second, so that a command right after
 * `reseolio serve &` finds the daemon. The call itself reports a daemon that is still missing. Does not wait for
 * addresses of other machines.
 */
export async function waitUntilListening({ host, port }: Address): Promise<void> {
  const name = host.replace(/^\[|\]$/g, "");
  if (name !== "localhost" && name !== "::1" && !name.startsWith("127.")) return;
  const endAt = performance.now() + PATIENCE_MS;
  while (!(await isListening(name, port)) && performance.now() < endAt) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Only a refused connection counts as not listening; the call itself reports anything else. */
function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", () => end(true));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code !== "ECONNREFUSED"));
    socket.setTimeout(PATIENCE_MS, () => end(true));
  });
}
