import { WIRE_LIMITS } from "#proto/contract.ts";

/** What one daemon bears from its clients before it says no. Lengths in milliseconds. */
export interface ServerLimits {
  /** Open connections; a further one is closed at once. */
  readonly connections: number;
  /** Of those, from one address that is not loopback. */
  readonly connectionsPerAddress: number;
  /** Streams open at once on one HTTP/2 connection. */
  readonly streamsPerConnection: number;
  /** Streams reset within ten seconds on one HTTP/2 connection; one more ends it (CVE-2023-44487). */
  readonly resetsPer10s: number;
  /** From the connection to its first byte, or to the end of the TLS handshake. */
  readonly firstByteMs: number;
  /** From the first byte to the end of the headers, or of the HTTP/2 preface. */
  readonly headersMs: number;
  /** From the headers to the end of the body; not for calls whose client streams. */
  readonly bodyMs: number;
  /** Between two requests of an HTTP/1 connection. */
  readonly idleMs: number;
  /** Without any stream on an HTTP/2 connection. */
  readonly http2IdleMs: number;
  /** Bytes of one message, also after decompression. */
  readonly messageBytes: number;
}

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  connections: 512,
  // A quarter, so that no single machine can take all. Not for loopback: there every client has the same address, a
  // worker pool of a hundred processes is normal, and whoever is on the machine can do worse.
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
