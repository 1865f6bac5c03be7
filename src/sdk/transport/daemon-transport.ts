import type { Transport } from "@connectrpc/connect";
import type { Address } from "./address.ts";
import type { GrpcStream } from "./grpc-stream.ts";

/** One HTTP/2 connection to a daemon, opened on first use and again after a break. */
export interface DaemonTransport extends Transport {
  /** Address of the daemon that it uses now. */
  readonly address: Address;
  /** Number of daemons that it can switch between. */
  readonly addressCount: number;
  /** Switches to the next daemon, because the current one cannot be reached or is stopping. */
  failOver(): void;
  /** Opens a bidirectional call of the method at this path, with messages as bytes. Reports errors through `onEnd`. */
  openStream(path: string, events: StreamEvents): GrpcStream;
  /** Closes the connection and ends the calls on it. A later call opens a new one. */
  close(): void;
}

export interface StreamEvents {
  /** Called in order. May keep the bytes. If it throws, the stream ends as with an unreadable message. */
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Called once, last, with the error that broke the stream, or null when the daemon ended it. */
  readonly onEnd: (error: unknown) => void;
}

export type HeadersLike = ConstructorParameters<typeof Headers>[0];
