import type { Transport } from "@connectrpc/connect";
import type { Address } from "./address.ts";
import type { GrpcStream } from "./grpc-stream.ts";

/** One HTTP/2 connection to a daemon, opened on first use and again after a break. */
export interface DaemonTransport extends Transport {
  /** Of the daemon that it speaks to now. */
  readonly address: Address;
  /** Of all that it may speak to. */
  readonly addressCount: number;
  /** Speaks to the next daemon from now on, because this one cannot be reached or is stopping. */
  failOver(): void;
  /** Opens a bidirectional call of the method at this path, for messages as bytes. Faults come by `onEnd`. */
  openStream(path: string, events: StreamEvents): GrpcStream;
  /** Closes the connection and ends what runs on it. A later call opens a new one. */
  close(): void;
}

export interface StreamEvents {
  /** Called in order. May keep the bytes. What it throws ends the stream as a message that cannot be read. */
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Called once, last: the error that broke the stream, as any call's, or null when the daemon ended it. */
  readonly onEnd: (error: unknown) => void;
}

export type HeadersLike = ConstructorParameters<typeof Headers>[0];
