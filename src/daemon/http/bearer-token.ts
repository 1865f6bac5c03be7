import { createHash, timingSafeEqual } from "node:crypto";
import { BEARER_PREFIX } from "#proto/contract.ts";

/** Keeps the digest only. Digests have one length, so the comparison takes the same time whatever was sent. */
export class BearerToken {
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = digestOf(token);
  }

  /** @param authorization value of the header */
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
