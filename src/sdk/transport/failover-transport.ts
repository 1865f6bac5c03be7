import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, StreamResponse, UnaryResponse } from "@connectrpc/connect";
import type { Address } from "./address.ts";
import { isUnreached } from "./connect-errors.ts";
import type { DaemonTransport, HeadersLike, StreamEvents } from "./daemon-transport.ts";
import type { GrpcStream } from "./grpc-stream.ts";

/**
 * Uses one of several daemons of a cluster. A call that did not reach it, and so cannot have been carried out, goes to
 * the next one. All other errors go to the caller, who decides when to fail over.
 */
export class FailoverTransport implements DaemonTransport {
  readonly #each: readonly DaemonTransport[];
  #index = 0;

  /** @param each at least one, in the order in which they are tried */
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
        // Another call may already have failed over.
        if (this.#current === transport) this.failOver();
      }
    }
  }
}
