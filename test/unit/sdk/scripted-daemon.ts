import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { DaemonService, type GetInfoResponseSchema } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import {
  type Hello,
  type ReplySchema,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  SessionService,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";

/** A SessionService over real HTTP/2 whose every answer is written by the test. */
export interface ScriptedDaemon extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Streams opened so far. */
  readonly sessionCount: number;
  info: MessageInitShape<typeof GetInfoResponseSchema>;
  /** Called with the job to retry and the job that awaits it. */
  onRetryJob: (jobId: string, awaitedBy: string) => void;
  /** Called with the name of an emitted event; the daemon answers when this resolves. */
  onEmitEvent: (name: string) => Promise<void>;
  /** The next stream that a client opens, with its hello read. */
  nextSession(): Promise<ScriptedSession>;
  /** Breaks every connection without a word, as a crash does. */
  cut(): void;
  /** Stops listening as well; `listen` brings the daemon back on the same port. */
  stop(): Promise<void>;
  listen(): Promise<void>;
}

export class ScriptedSession {
  readonly #incoming = new Queue<SessionRequest>();
  readonly #outgoing = new Queue<SessionResponse | ConnectError | null>();
  readonly received: SessionRequest[] = [];

  constructor(readonly hello: Hello) {}

  /** The client's next frame; fails when none comes in time. */
  async next(withinMs = 5_000): Promise<SessionRequest> {
    const frame = await this.#incoming.take(withinMs);
    this.received.push(frame);
    return frame;
  }

  /** The next frame that carries something, answered or not. */
  async nextMatching(matches: (frame: SessionRequest) => boolean): Promise<SessionRequest> {
    for (;;) {
      const frame = await this.next();
      if (matches(frame)) return frame;
      this.reply(frame);
    }
  }

  send(frame: MessageInitShape<typeof SessionResponseSchema>): void {
    this.#outgoing.put(create(SessionResponseSchema, frame));
  }

  welcome(leaseMs = 15_000, more: MessageInitShape<typeof SessionResponseSchema>["welcome"] = {}): void {
    this.send({ welcome: { leaseMs, nodeId: "scripted", ...more } });
  }

  /** Every enqueue stored, every outcome accepted. */
  reply(frame: SessionRequest, settled = 1): void {
    this.send({ replies: [replyTo(frame, settled)] });
  }

  end(): void {
    this.#outgoing.put(null);
  }

  /** Ends the stream with an error. */
  refuse(code: Code, message: string): void {
    this.#outgoing.put(new ConnectError(message, code));
  }

  receive(frame: SessionRequest): void {
    this.#incoming.put(frame);
  }

  async *responses(): AsyncGenerator<SessionResponse> {
    for (;;) {
      const frame = await this.#outgoing.take();
      if (frame === null) return;
      if (frame instanceof ConnectError) throw frame;
      yield frame;
    }
  }
}

export function replyTo(frame: SessionRequest, settled = 1): MessageInitShape<typeof ReplySchema> {
  return {
    frameId: frame.frameId,
    enqueued: frame.enqueues.map(() => ({ result: { case: "job" as const, value: {} } })),
    settled: frame.outcomes.map(() => settled),
    recorded: frame.checkpoints.map(() => ({ result: 1 })),
  };
}

export async function startScriptedDaemon(): Promise<ScriptedDaemon> {
  const daemon = new RealScriptedDaemon();
  await daemon.listen();
  return daemon;
}

class RealScriptedDaemon implements ScriptedDaemon {
  port = 0;
  sessionCount = 0;
  info: MessageInitShape<typeof GetInfoResponseSchema> = { storageKind: "sqlite", storageName: "scripted.db" };
  onRetryJob = (_jobId: string, _awaitedBy: string): void => {};
  onEmitEvent = async (_name: string): Promise<void> => {};
  #server: Http2Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Queue<ScriptedSession>();

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  nextSession(): Promise<ScriptedSession> {
    return this.#sessions.take(5_000);
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    this.cut();
    await closed;
  }

  async listen(): Promise<void> {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(SessionService, { session: (requests) => this.#serve(requests) });
        router.service(DaemonService, { getInfo: () => this.info });
        router.service(EventService, {
          emitEvent: async ({ name }) => {
            await this.onEmitEvent(name);
            return { event: { name }, created: true };
          },
        });
        router.service(JobService, {
          retryJob: ({ jobId, awaitedBy }) => {
            this.onRetryJob(jobId, awaitedBy);
            return {};
          },
        });
      },
    });
    const server = createServer(handler);
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    // What a cut connection says about it is no news.
    server.on("session", (session: ServerHttp2Session) => session.on("error", () => {}));
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  async *#serve(requests: AsyncIterable<SessionRequest>): AsyncGenerator<SessionResponse> {
    const frames = requests[Symbol.asyncIterator]();
    const first = await frames.next();
    if (first.done === true || first.value.hello === undefined) throw new Error("the first frame has no hello");
    const session = new ScriptedSession(first.value.hello);
    this.sessionCount++;
    this.#sessions.put(session);
    void this.#read(frames, session).catch(() => {});
    yield* session.responses();
  }

  async #read(frames: AsyncIterator<SessionRequest>, session: ScriptedSession): Promise<void> {
    for (let next = await frames.next(); next.done !== true; next = await frames.next()) session.receive(next.value);
    session.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

class Queue<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#items.push(item);
    else taker(item);
  }

  take(withinMs?: number): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const taker = (value: T): void => {
        clearTimeout(timer);
        resolve(value);
      };
      const giveUp = (): void => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        reject(new Error(`nothing came within ${withinMs} ms`));
      };
      const timer = withinMs === undefined ? undefined : setTimeout(giveUp, withinMs);
      this.#takers.push(taker);
    });
  }
}
