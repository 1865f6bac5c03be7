import { X509Certificate } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { isLoopback } from "./bind-address.ts";

export interface OwnNamesOptions {
  /** Bound host and port. */
  readonly host: string;
  readonly port: number;
  /** PEM; its names are ours. Null without TLS. */
  readonly certificate: string | Buffer | null;
  /** From the settings: `name` at any port, as behind a forwarded one, or `name:port`. */
  readonly extra: readonly string[];
}

/** What a Host header or :authority looks like; anything else, such as a user part or a list, is refused. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9]\d{0,4}))?$/;

/**
 * The names by which clients may call this daemon. A page that had its own name resolved to 127.0.0.1 (DNS rebinding)
 * still calls by that name, and is refused for it.
 */
export class OwnNames {
  readonly #ports = new Map<string, Set<number> | "any">();
  readonly #defaultPort: number;

  constructor(options: OwnNamesOptions) {
    this.#defaultPort = options.certificate === null ? 80 : 443;
    for (const name of ownHosts(options)) this.#add(name, options.port);
    for (const entry of options.extra) this.#addExtra(entry.toLowerCase());
  }

  /** @param authority as the request has it: `name` or `name:port` */
  includes(authority: string | undefined): boolean {
    const match = AUTHORITY.exec((authority ?? "").toLowerCase());
    if (match?.[1] === undefined) return false;
    const ports = this.#ports.get(match[1]);
    if (ports === undefined) return false;
    return ports === "any" || ports.has(match[2] === undefined ? this.#defaultPort : Number(match[2]));
  }

  /** Whether a page with this Origin header is served by us. */
  isOwnOrigin(origin: string): boolean {
    const scheme = this.#defaultPort === 443 ? "https://" : "http://";
    return origin.startsWith(scheme) && this.includes(origin.slice(scheme.length));
  }

  #add(name: string, port: number): void {
    const ports = this.#ports.get(name);
    if (ports === "any") return;
    if (ports === undefined) this.#ports.set(name, new Set([port]));
    else ports.add(port);
  }

  #addExtra(entry: string): void {
    const match = AUTHORITY.exec(entry);
    if (match?.[1] === undefined) return;
    if (match[2] === undefined) this.#ports.set(match[1], "any");
    else this.#add(match[1], Number(match[2]));
  }
}

function ownHosts(options: OwnNamesOptions): readonly string[] {
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

/** Whether a setting is a usable extra name. */
export function isHostName(text: string): boolean {
  return AUTHORITY.test(text.toLowerCase());
}
