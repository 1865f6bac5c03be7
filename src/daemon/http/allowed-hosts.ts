import { X509Certificate } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { isLoopback } from "./bind-address.ts";

export interface AllowedHostsOptions {
  /** The host that the daemon listens on. */
  readonly host: string;
  /** PEM certificate, whose names are allowed. Null without TLS. */
  readonly certificate: string | Buffer | null;
  /** Additional names from the settings. */
  readonly extra: readonly string[];
}

/** The form of a Host header or :authority. Anything else, such as user information or a list, is refused. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[1-9]\d{0,4})?$/;

/**
 * The host names that clients may use for this daemon. A web page whose name resolves to 127.0.0.1 (DNS rebinding) still
 * sends that name, so it is refused. Ports are not compared: they do not help such a page, and forwarded ports (ssh -L,
 * docker -p) legitimately differ.
 */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>;

  constructor(options: AllowedHostsOptions) {
    this.#names = new Set([...localHosts(options), ...options.extra.map((name) => name.toLowerCase())]);
  }

  /** @param authority from the request: `name` or `name:port` */
  includes(authority: string | undefined): boolean {
    const name = AUTHORITY.exec((authority ?? "").toLowerCase())?.[1];
    return name !== undefined && this.#names.has(name);
  }
}

function localHosts(options: AllowedHostsOptions): readonly string[] {
  const names = ["localhost", "127.0.0.1", "[::1]", inUrl(options.host.toLowerCase())];
  if (options.certificate !== null) names.push(...certificateNames(options.certificate));
  if (isLoopback(options.host)) return names;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address));
  return [...names, hostname().toLowerCase(), ...addresses.map(inUrl)];
}

function certificateNames(certificate: string | Buffer): readonly string[] {
  const { subjectAltName } = new X509Certificate(certificate);
  return (subjectAltName ?? "")
    .split(", ")
    .map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1]?.toLowerCase() ?? "")
    .filter((name) => name !== "" && !name.startsWith("*"))
    .map(inUrl);
}

function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Whether a setting is a valid additional name: a host without a port. */
export function isHostName(text: string): boolean {
  return AUTHORITY.exec(text.toLowerCase())?.[1] === text.toLowerCase();
}
