import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { ClientHttp2Session, ClientHttp2Stream, SecureClientSessionOptions } from "node:http2";
import {
  AUTHORIZATION_HEADER,
  BEARER_PREFIX,
  DEFAULT_ADDRESS,
  HTTP2_WINDOW_BYTES,
  WIRE_LIMITS,
} from "#proto/contract.ts";
import { SDK_VERSION } from "../version.ts";
import { type Address, parseAddresses } from "./address.ts";
import { connectionErrorFrom } from "./connect-errors.ts";
import type { DaemonTransport, HeadersLike, StreamEvents } from "./daemon-transport.ts";
import { FailoverTransport } from "./failover-transport.ts";
import { GRPC_HEADERS, GrpcStream } from "./grpc-stream.ts";

export interface TransportOptions {
  /** `host:port`, `http://…` or `https://…`; for a cluster several, tried in this order. [127.0.0.1:50051] */
  readonly address?: string | readonly string[];
  /** Sent as a bearer token with every call. */
  readonly token?: string;
  /** `true`: TLS with the system's certificate authorities. */
  readonly tls?: boolean | TlsOptions;
  /** Deadline of unary calls that set none themselves, in milliseconds. [15000] */
  readonly timeoutMs?: number;
}

/**
 * Certificates for a connection over TLS.
 *
 * @example
 * ```ts
 * const secured = new Reseolio({ address: "https://10.0.0.7:50051", tls: { ca: pem, serverName: "jobs.internal" } });
 * ```
 */
export interface TlsOptions {
  /** Certificate authorities to trust instead of the system's, in PEM. */
  readonly ca?: string | Buffer;
  /** Client certificate, in PEM; needs `key`. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Name to verify the daemon's certificate against, if it is not the host of the address. */
  readonly serverName?: string;
}

const DEFAULT_CALL_TIMEOUT_MS = 15_000;
const PING_INTERVAL_MS = 15_000;
const PING_TIMEOUT_MS = 10_000;
/** Leaves room for a daemon that is configured with a higher limit. */
const MAX_MESSAGE_BYTES = WIRE_LIMITS.messageBytes * 2;

/**
 * gRPC over HTTP/2, with pings that detect a dead peer, windows that hold several full messages and a deadline on each
 * unary call. Calls throw ConnectionError when the daemon cannot be reached, and otherwise the original ConnectError.
 *
 * @throws ReseolioError `invalid_argument` when an address is not valid
 */
export function createTransport(options: TransportOptions = {}): DaemonTransport {
  const secure = options.tls !== undefined && options.tls !== false;
  const each = parseAddresses(options.address ?? DEFAULT_ADDRESS, secure).map((one) => transportTo(one, options));
  return each.length === 1 ? (each[0] as DaemonTransport) : new FailoverTransport(each);
}

function transportTo(address: Address, options: TransportOptions): DaemonTransport {
  const sessions = new WideSessionManager(
    address.origin,
    { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS },
    { settings: { initialWindowSize: HTTP2_WINDOW_BYTES, enablePush: false }, ...tlsSettings(options.tls) },
  );
  const inner = createGrpcTransport({
    baseUrl: address.origin,
    sessionManager: sessions,
    acceptCompression: [],
    readMaxBytes: MAX_MESSAGE_BYTES,
    interceptors: options.token === undefined ? [] : [bearer(options.token)],
  });
  const headers = {
    ...GRPC_HEADERS,
    "user-agent": `reseolio-sdk/${SDK_VERSION}`,
    ...(options.token === undefined ? {} : { [AUTHORIZATION_HEADER]: BEARER_PREFIX + options.token }),
  };
  return new DeadlineTransport(inner, address, sessions, headers, options.timeoutMs ?? DEFAULT_CALL_TIMEOUT_MS);
}

/** The stream window is a setting, but the connection window starts at 64 KiB and must be raised by a call. */
class WideSessionManager extends Http2SessionManager {
  #widened: ClientHttp2Session | undefined;

  override async request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined && session !== this.#widened) {
      this.#widened = session;
      session.setLocalWindowSize(HTTP2_WINDOW_BYTES);
    }
    return stream;
  }
}

function tlsSettings(tls: TransportOptions["tls"]): SecureClientSessionOptions {
  if (tls === undefined || typeof tls === "boolean") return {};
  const { serverName, ...rest } = tls;
  return serverName === undefined ? rest : { ...rest, servername: serverName };
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set(AUTHORIZATION_HEADER, BEARER_PREFIX + token);
    return next(request);
  };
}

class DeadlineTransport implements DaemonTransport {
  readonly addressCount = 1;

  readonly #inner: Transport;
  readonly #sessions: Http2SessionManager;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;

  constructor(
    inner: Transport,
    readonly address: Address,
    sessions: Http2SessionManager,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
  ) {
    this.#inner = inner;
    this.#sessions = sessions;
    this.#headers = headers;
    this.#timeoutMs = timeoutMs;
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersLike | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    try {
      return await this.#inner.unary(method, signal, timeoutMs ?? this.#timeoutMs, header, input, contextValues);
    } catch (error) {
      throw connectionErrorFrom(error, this.address.text, timeoutMs === undefined ? this.#timeoutMs : null);
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersLike | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    try {
      const response = await this.#inner.stream(method, signal, timeoutMs, header, input, contextValues);
      return { ...response, message: this.#mapFaults(response.message) };
    } catch (error) {
      throw connectionErrorFrom(error, this.address.text, null);
    }
  }

  async *#mapFaults<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (error) {
      throw connectionErrorFrom(error, this.address.text, null);
    }
  }

  openStream(path: string, events: StreamEvents): GrpcStream {
    const opening = this.#sessions.request("POST", path, this.#headers, {});
    const onHeard = (stream: ClientHttp2Stream): void => this.#sessions.notifyResponseByteRead(stream);
    return new GrpcStream(
      opening,
      { maxMessageBytes: MAX_MESSAGE_BYTES, onHeard },
      {
        onMessage: events.onMessage,
        onEnd: (error) => events.onEnd(connectionErrorFrom(error, this.address.text, null)),
      },
    );
  }

  failOver(): void {}

  close(): void {
    this.#sessions.abort();
  }
}
