import { createServer, type Server as NetServer } from "node:net";
import { DaemonError } from "../core/errors.ts";
import { formatAddress } from "./bind-address.ts";

/**
 * Resolves when the port is ours.
 *
 * @throws DaemonError failed_precondition that names the address, the reason and the remedy
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
 * Takes the address and lets it go again, so that a start that must fail for it fails before it has made anything.
 *
 * @throws as `listen` does
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
      return `the port is in use, perhaps by another daemon (reseolio status --addr ${formatAddress(host, port)} tells); stop it, or choose another port with --addr ${formatAddress(host, port + 1)}`;
    case "EACCES":
      return `the system does not allow this user the port; choose one above 1023 with --addr ${formatAddress(host, 50_051)}`;
    case "EADDRNOTAVAIL":
      return `this machine has no such address; choose one it has with --addr, such as ${formatAddress("127.0.0.1", port)}`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${host} is not known; check --addr, or use an address such as ${formatAddress("127.0.0.1", port)}`;
    default:
      return `${error.message}; check --addr`;
  }
}
