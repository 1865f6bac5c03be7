import { createServer, type Server as NetServer } from "node:net";
import { DaemonError } from "../core/errors.ts";
import { formatAddress } from "./bind-address.ts";

/**
 * Resolves once the server listens.
 *
 * @throws DaemonError failed_precondition with the address, the reason and a remedy
 */
export function listen(door: NetServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(listenFault(error, host, port));
    door.once("error", onError);
    door.listen({ host, port, backlog: 511 }, () => {
      door.off("error", onError);
      resolve();
    });
  });
}

/**
 * Binds the address and releases it again, so that a start that would fail does so before it creates anything.
 *
 * @throws DaemonError like `listen`
 */
export async function checkAddressFree(host: string, port: number): Promise<void> {
  const probe = createServer();
  await listen(probe, host, port);
  await new Promise((resolve) => probe.close(resolve));
}

function listenFault(error: NodeJS.ErrnoException, host: string, port: number): DaemonError {
  const address = formatAddress(host, port);
  const metadata = { address, cause: error.code ?? "unknown" };
  return new DaemonError("failed_precondition", `cannot listen on ${address}: ${listenRemedy(error, host, port)}`, {
    metadata,
    cause: error,
  });
}

function listenRemedy(error: NodeJS.ErrnoException, host: string, port: number): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `the port is in use, possibly by another daemon (check with: reseolio status --addr ${formatAddress(host, port)}); stop it, or choose another port with --addr ${formatAddress(host, port + 1)}`;
    case "EACCES":
      return `this user may not listen on this port; choose one above 1023 with --addr ${formatAddress(host, 50_051)}`;
    case "EADDRNOTAVAIL":
      return `this machine does not have this address; choose another one with --addr, such as ${formatAddress("127.0.0.1", port)}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the host name ${host} cannot be resolved; check --addr, or use an address such as ${formatAddress("127.0.0.1", port)}`;
    default:
      return `${error.message}; check --addr`;
  }
}
