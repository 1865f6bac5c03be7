import { WIRE_LIMITS } from "#proto/contract.ts";

/** Limits that protect a daemon from its clients. Durations are in milliseconds. */
export interface ServerLimits {
  /** Maximum number of open connections; further ones are closed at once. */
  readonly connections: number;
  /** Maximum number of connections from one address, except loopback. */
  readonly connectionsPerAddress: number;
  /** Maximum number of concurrent streams on one HTTP/2 connection. */
  readonly streamsPerConnection: number;
  /**
   * Maximum number of stream resets within ten seconds on one HTTP/2 connection; one more closes it (CVE-2023-44487).
   */
  readonly resetsPer10s: number;
  /** From the start of the connection to its first byte, or to the end of the TLS handshake. */
  readonly firstByteMs: number;
  /** From the first byte to the end of the headers, or of the HTTP/2 preface. */
  readonly headersMs: number;
  /** From the headers to the end of the body, except for client streams. */
  readonly bodyMs: number;
  /** Between two requests of an HTTP/1 connection. */
  readonly idleMs: number;
  /** Longest time without a stream on an HTTP/2 connection. */
  readonly http2IdleMs: number;
  /** Maximum number of bytes in one message, also after decompression. */
  readonly messageBytes: number;
}

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  connections: 512,
  // A quarter, so that no single machine can use up all connections. Loopback is exempt: all local clients share one
  // address, a pool of a hundred workers is normal, and local users could do worse anyway.
  connectionsPerAddress: 128,
  streamsPerConnection: 256,
  resetsPer10s: 1_000,
  firstByteMs: 5_000,
  headersMs: 10_000,
  bodyMs: 30_000,
  idleMs: 75_000,
  // Clients keep a channel open between calls; closing it costs them a handshake and nothing else.
  http2IdleMs: 600_000,
  messageBytes: WIRE_LIMITS.messageBytes,
};
