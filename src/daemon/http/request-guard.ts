import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { AllowedHosts } from "./allowed-hosts.ts";
import type { BearerToken } from "./bearer-token.ts";

/** Why a request is refused. */
export interface Refusal {
  readonly status: 400 | 401 | 403;
  /** Connect error code, sent together with its gRPC number. */
  readonly code: "invalid_argument" | "unauthenticated" | "permission_denied";
  readonly message: string;
}

/**
 * Runs before a request is routed or read: checks that it is addressed to this daemon, that no web page of another origin
 * sent it, and that it has the token if one is set. Health probes (`/healthz`, `/readyz` and grpc.health.v1) need no token
 * because they reveal only whether the daemon is serving. Everything else needs it, including reflection and metrics.
 */
export class RequestGuard {
  readonly #names: AllowedHosts;
  readonly #token: BearerToken | null;

  constructor(names: AllowedHosts, token: BearerToken | null) {
    this.#names = names;
    this.#token = token;
  }

  check(request: IncomingMessage | Http2ServerRequest): Refusal | null {
    return this.#checkTarget(request) ?? checkOrigin(request) ?? this.#checkToken(request);
  }

  #checkTarget(request: IncomingMessage | Http2ServerRequest): Refusal | null {
    if (request.url?.startsWith("/") !== true) {
      return refusal(400, "invalid_argument", "the request target must be a path that begins with /");
    }
    for (const authority of authoritiesOf(request)) {
      if (!this.#names.includes(authority)) return foreignHost(authority);
    }
    return null;
  }

  #checkToken(request: IncomingMessage | Http2ServerRequest): Refusal | null {
    if (this.#token === null || isProbe(request.url ?? "")) return null;
    const { authorization } = request.headers;
    if (this.#token.matches(authorization)) return null;
    const fault = authorization === undefined ? "missing token" : "invalid token";
    return refusal(401, "unauthenticated", `${fault}: send it as "authorization: Bearer TOKEN"`);
  }
}

/** A web page may call only its own origin. Other programs send no Origin header. */
function checkOrigin(request: IncomingMessage | Http2ServerRequest): Refusal | null {
  const { origin, "sec-fetch-site": site } = request.headers;
  if (origin !== undefined && !isOwnOrigin(origin, authoritiesOf(request))) {
    return refusal(403, "permission_denied", `pages from ${shown(origin)} may not call this daemon`);
  }
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    return refusal(403, "permission_denied", "pages from other sites may not call this daemon");
  }
  return null;
}

function isOwnOrigin(origin: string, authorities: readonly (string | undefined)[]): boolean {
  const authority = /^https?:\/\/(.+)$/.exec(origin.toLowerCase())?.[1];
  return authority !== undefined && authorities.every((own) => own?.toLowerCase() === authority);
}

/** All host names of the request, at least one. If there are two, both must be allowed. */
function authoritiesOf(request: IncomingMessage | Http2ServerRequest): readonly (string | undefined)[] {
  const hosts: string[] = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index]?.toLowerCase();
    if (name === "host" || name === ":authority") hosts.push(request.rawHeaders[index + 1] ?? "");
  }
  return hosts.length === 0 ? [undefined] : hosts;
}

function foreignHost(authority: string | undefined): Refusal {
  const name = authority === undefined || authority === "" ? "no host" : shown(authority);
  return refusal(
    403,
    "permission_denied",
    `the request is addressed to ${name}, which is not a name of this daemon; start it with --host-name NAME to add one`,
  );
}

function isProbe(url: string): boolean {
  const path = url.split("?", 1)[0] ?? "";
  return path === "/healthz" || path === "/readyz" || path.startsWith("/grpc.health.v1.Health/");
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function refusal(status: Refusal["status"], code: Refusal["code"], message: string): Refusal {
  return { status, code, message };
}
