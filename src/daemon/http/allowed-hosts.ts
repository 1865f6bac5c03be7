import { X509Certificate } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { isLoopback } from "./bind-address.ts";

export interface AllowedHostsOptions {
  /** Bound host. */
  readonly host: string;
  /** PEM; its names are ours. Null without TLS. */
  readonly certificate: string | Buffer | null;
  /** From the settings. */
  readonly extra: readonly string[];
}

/** What a Host header or :authority looks like; anything else, such as a user part or a list, is refused. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[1-9]\d{0,4})?$/;

/**
 * The names by which clients may call this daemon. A page that had its own name resolved to 127.0.0.1 (DNS rebinding)
 * still calls by that name, and is refused for it. Ports are not compared: such a page cannot choose another name by
 * them, and a forwarded port (ssh -L, docker -p) is a good reason for a foreign one.
 */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>;

  constructor(options: AllowedHostsOptions) {
    this.#names = new Set([...ownHosts(options), ...options.extra.map((name) => name.toLowerCase())]);
  }

  /** @param authority as the request has it: `name` or `name:port` */
  includes(authority: string | undefined): boolean {
    const name = AUTHORITY.exec((authority ?? "").toLowerCase())?.[1];
    return name !== undefined && this.#names.has(name);
  }
}

function ownHosts(options: AllowedHostsOptions): readonly string[] {
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

/** Whether a setting is a usable extra name: a host without a port. */
export function isHostName(text: string): boolean {
  return AUTHORITY.exec(text.toLowerCase())?.[1] === text.toLowerCase();
}
