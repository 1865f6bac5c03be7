import { DEFAULT_PORT } from "#proto/contract.ts";
import { ReseolioError } from "../errors.ts";

/** The address of a daemon. */
export interface Address {
  /** As the user wrote it, for messages. */
  readonly text: string;
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/**
 * Accepts `host:port`, `host`, `[::1]:port`, `http://…` and `https://…`. Without a scheme the port defaults to 50051,
 * and `secure` decides between http and https.
 *
 * @throws ReseolioError `invalid_argument` that names the text
 */
export function parseAddress(text: string, secure: boolean): Address {
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const url = tryUrl(hasScheme ? text : `${secure ? "https" : "http"}://${text}`);
  if (url === null || !isPlainOrigin(url) || /:\/?$/.test(text)) throw badAddress(text);
  const port = url.port === "" ? (hasScheme ? schemePort(url) : portWritten(text)) : Number(url.port);
  if (port === 0) throw badAddress(text);
  const isSecure = url.protocol === "https:";
  return { text, origin: `${url.protocol}//${url.hostname}:${port}`, secure: isSecure, host: url.hostname, port };
}

/**
 * Parses one or several addresses, as a list or comma-separated, in the order in which they are tried, without
 * duplicates.
 *
 * @throws ReseolioError `invalid_argument` that names the text
 */
export function parseAddresses(given: string | readonly string[], secure: boolean): readonly Address[] {
  const texts = (typeof given === "string" ? [given] : given)
    .flatMap((text) => text.split(","))
    .map((one) => one.trim());
  if (texts.length === 0) throw badAddress("");
  const byOrigin = new Map(texts.map((text) => parseAddress(text, secure)).map((one) => [one.origin, one]));
  return [...byOrigin.values()];
}

function tryUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function isPlainOrigin(url: URL): boolean {
  const scheme = url.protocol === "http:" || url.protocol === "https:";
  return (
    scheme &&
    url.hostname !== "" &&
    (url.pathname === "/" || url.pathname === "") &&
    url.search === "" &&
    url.username === ""
  );
}

function schemePort(url: URL): number {
  return url.protocol === "https:" ? 443 : 80;
}

/** URL drops the default port of its scheme, as in `host:80`. */
function portWritten(text: string): number {
  const written = /:(\d+)\/?$/.exec(text)?.[1];
  return written === undefined || text.endsWith("]") ? DEFAULT_PORT : Number(written);
}

function badAddress(text: string): ReseolioError {
  return new ReseolioError(
    "invalid_argument",
    `address ${JSON.stringify(text)} is not valid; use host:port, http://host:port or https://host:port`,
  );
}
