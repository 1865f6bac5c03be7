/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

export interface Exposure {
  readonly host: string;
  readonly hasToken: boolean;
  readonly hasTls: boolean;
  /** The user says that others see to safety. */
  readonly insecure: boolean;
}

/** Why the daemon must not listen there, with the remedy; null when it may. */
export function exposureFault({ host, hasToken, hasTls, insecure }: Exposure): string | null {
  if (insecure || isLoopback(host) || (hasToken && hasTls)) return null;
  const missing = [
    ...(hasToken ? [] : ["a token (--token-file or RESEOLIO_TOKEN)"]),
    ...(hasTls ? [] : ["TLS (--tls-cert and --tls-key)"]),
  ].join(" and ");
  return `${host} can be reached from other machines, which needs ${missing}; listen on 127.0.0.1, or say --insecure if the network is trusted`;
}

/** `host:port` as it is written in a URL. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
