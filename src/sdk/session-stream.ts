import { type Empty, EmptySchema } from "@bufbuild/protobuf/wkt";
import {
  type Hello,
  type SessionRequest,
  type SessionResponse,
  SessionService,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { decodeSessionResponse, encodeSessionRequest } from "#proto/session-codec.ts";
import type { Client } from "./client.ts";

/** One Session stream, from its opening to its end. */
export interface SessionStream {
  /** Hands a frame to the connection. The caller bounds how many are unanswered. Nothing happens after the end. */
  send(frame: SessionRequest): void;
  /** No more frames will be sent; the daemon ends the stream when it has answered all. */
  finish(): void;
  /** Ends the stream at once, without another call to its events. */
  abort(): void;
  /** Ends with the stream. */
  readonly ended: Promise<void>;
}

export interface SessionStreamEvents {
  /** Called in order. Must not throw. */
  readonly onFrame: (frame: SessionResponse) => void;
  /** Called once, last: the error that broke the stream, or null when the daemon ended it. */
  readonly onEnd: (error: unknown) => void;
}

/** Opens the stream; faults come by `onEnd`, never as a throw. */
export function openSessionStream(client: Client, events: SessionStreamEvents): SessionStream {
  const outbox = new Outbox();
  const controller = new AbortController();
  return {
    ended: readFrames(client, outbox, controller.signal, events),
    send: (frame) => outbox.push(frame),
    finish: () => outbox.finish(),
    abort: () => {
      outbox.finish();
      controller.abort();
    },
  };
}

/**
 * The session's rpc with messages that have no schema: their fields pass as they are, and the session's own codec
 * reads and writes them at a fraction of the cost.
 */
const rawSession = { ...SessionService.method.session, input: EmptySchema, output: EmptySchema };

async function readFrames(
  client: Client,
  outbox: Outbox,
  signal: AbortSignal,
  events: SessionStreamEvents,
): Promise<void> {
  try {
    const response = await client.transport.stream(rawSession, signal, undefined, undefined, outbox);
    for await (const message of response.message) {
      if (signal.aborted) return;
      events.onFrame(decodeSessionResponse(message.$unknown ?? []));
    }
    // A stream's errors come in its trailers, which end the loop above with a throw.
  } catch (error) {
    if (!signal.aborted) events.onEnd(error);
    return;
  }
  if (!signal.aborted) events.onEnd(null);
}

/** Frames on their way to the connection, which takes the next one when it has written the last. */
class Outbox implements AsyncIterable<Empty> {
  #frames: Empty[] = [];
  #wake: ((result: IteratorResult<Empty>) => void) | undefined;
  #finished = false;

  push(frame: SessionRequest): void {
    if (this.#finished) return;
    const message: Empty = { $typeName: "google.protobuf.Empty", $unknown: encodeSessionRequest(frame) };
    if (this.#wake === undefined) this.#frames.push(message);
    else this.#resolve({ done: false, value: message });
  }

  finish(): void {
    this.#finished = true;
    if (this.#wake !== undefined) this.#resolve({ done: true, value: undefined });
  }

  #resolve(result: IteratorResult<Empty>): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(result);
  }

  #discard(): Promise<IteratorResult<Empty>> {
    this.#frames = [];
    this.finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterator<Empty> {
    return {
      next: () => {
        const frame = this.#frames.shift();
        if (frame !== undefined) return Promise.resolve({ done: false, value: frame });
        if (this.#finished) return Promise.resolve({ done: true, value: undefined });
        return new Promise((resolve) => {
          this.#wake = resolve;
        });
      },
      // Called when the stream has ended: what is left has nowhere to go.
      return: () => this.#discard(),
      throw: () => this.#discard(),
    };
  }
}

const FINISH_MS = 500;

/** The daemon ends the stream when it has read the end of ours; a daemon that does not is left. */
export async function finishStream(stream: SessionStream): Promise<void> {
  stream.finish();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FINISH_MS);
  });
  await Promise.race([stream.ended, patience]);
  clearTimeout(timer);
  stream.abort();
}

export const HELLO_FRAME_ID = 1;

/** The first frame of a stream. */
export function helloFrame(hello: Hello, drain: boolean): SessionRequest {
  return {
    $typeName: "reseolio.v1.SessionRequest",
    frameId: HELLO_FRAME_ID,
    hello,
    addFunctions: [],
    enqueues: [],
    outcomes: [],
    awaitJobIds: [],
    unawaitJobIds: [],
    drain,
  };
}
