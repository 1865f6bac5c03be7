import { connect } from "node:net";
import type { Address } from "../../sdk/transport/address.ts";

/** How long a daemon that is not there may take to come up: from `reseolio serve &` to its port is 0.2 s. */
const PATIENCE_MS = 1_000;
const RETRY_MS = 25;

/**
 * Ends when something listens at an address of this machine, or after a second: a command right behind
 * `reseolio serve &` meets a daemon that is just starting. Whoever is not there then is the caller's to report. An
 * address elsewhere is not waited for.
 */
export async function whenStarted({ host, port }: Address): Promise<void> {
  const name = host.replace(/^\[|\]$/g, "");
  if (name !== "localhost" && name !== "::1" && !name.startsWith("127.")) return;
  const endAt = performance.now() + PATIENCE_MS;
  while (!(await isListening(name, port)) && performance.now() < endAt) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Anything but a refusal is left to the call itself. */
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
