import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that Linux uses for outgoing connections (32768 and up), so that a killed server can bind its port
 * again. Otherwise a client's socket may have taken the port by then, even one that connects to this very port.
 */
const FIRST = 10_000;
const LAST = 32_000;

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
