import { createHash, timingSafeEqual } from "node:crypto";
import { BEARER_PREFIX } from "#proto/contract.ts";

/** Stores only the digest of the token. All digests have the same length, so comparison takes constant time. */
export class BearerToken {
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = digestOf(token);
  }

  /** @param authorization value of the Authorization header */
  matches(authorization: string | undefined): boolean {
    const value = authorization ?? "";
    const isBearer = value.slice(0, BEARER_PREFIX.length).toLowerCase() === BEARER_PREFIX.toLowerCase();
    const given = digestOf(isBearer ? value.slice(BEARER_PREFIX.length).trim() : "");
    return timingSafeEqual(given, this.#digest) && isBearer;
  }
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
