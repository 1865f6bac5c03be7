import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, StreamResponse, UnaryResponse } from "@connectrpc/connect";
import type { Address } from "./address.ts";
import { isUnreached } from "./connect-errors.ts";
import type { GrpcStream } from "./grpc-stream.ts";
import type { DaemonTransport, HeadersLike, StreamEvents } from "./daemon-transport.ts";

/**
 * Several daemons of one cluster, one of which is spoken to. A call that did not reach it, so that it cannot have been
 * carried out, goes to the next; any other fault is the caller's, who says when to go on.
 */
export class FailoverTransport implements DaemonTransport {
  readonly #each: readonly DaemonTransport[];
  #index = 0;

  /** @param each in the order in which they are tried; at least one */
  constructor(each: readonly DaemonTransport[]) {
    this.#each = each;
  }

  get address(): Address {
    return this.#current.address;
  }

  get addressCount(): number {
    return this.#each.length;
  }

  failOver(): void {
    this.#index = (this.#index + 1) % this.#each.length;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersLike | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    return this.#reaching((transport) => transport.unary(method, signal, timeoutMs, header, input, contextValues));
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersLike | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    return this.#reaching((transport) => transport.stream(method, signal, timeoutMs, header, input, contextValues));
  }

  openStream(path: string, events: StreamEvents): GrpcStream {
    return this.#current.openStream(path, events);
  }

  close(): void {
    for (const transport of this.#each) transport.close();
  }

  get #current(): DaemonTransport {
    return this.#each[this.#index] as DaemonTransport;
  }

  async #reaching<T>(call: (transport: DaemonTransport) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      const transport = this.#current;
      try {
        return await call(transport);
      } catch (error) {
        if (!isUnreached(error) || tried === this.#each.length) throw error;
        // Another call may have gone on already.
        if (this.#current === transport) this.failOver();
      }
    }
  }
}
