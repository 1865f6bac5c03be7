/** Whether the host is a loopback address, which other machines cannot reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

export interface Exposure {
  readonly host: string;
  readonly hasToken: boolean;
  readonly hasTls: boolean;
  /** Set if the user accepts the risk of an unprotected network. */
  readonly insecure: boolean;
}

/** Why the daemon must not listen on this address, and how to fix it; null if it may. */
export function exposureFault({ host, hasToken, hasTls, insecure }: Exposure): string | null {
  if (insecure || isLoopback(host) || (hasToken && hasTls)) return null;
  const missing = [
    ...(hasToken ? [] : ["a token (--token-file or RESEOLIO_TOKEN)"]),
    ...(hasTls ? [] : ["TLS (--tls-cert and --tls-key)"]),
  ].join(" and ");
  return `${host} is reachable from other machines, which requires ${missing}; listen on 127.0.0.1, or pass --insecure if the network is trusted`;
}

/** `host:port` in the form that a URL uses. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
