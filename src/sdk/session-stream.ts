import type { Hello, SessionRequest, SessionResponse } from "#proto/gen/reseolio/v1/session_service_pb.ts";
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
  const frames = client.session.session(outbox, { signal: controller.signal });
  return {
    ended: readFrames(frames, controller.signal, events),
    send: (frame) => outbox.push(frame),
    finish: () => outbox.finish(),
    abort: () => {
      outbox.finish();
      controller.abort();
    },
  };
}

async function readFrames(
  frames: AsyncIterable<SessionResponse>,
  signal: AbortSignal,
  events: SessionStreamEvents,
): Promise<void> {
  try {
    for await (const frame of frames) {
      if (signal.aborted) return;
      events.onFrame(frame);
    }
  } catch (error) {
    if (!signal.aborted) events.onEnd(error);
    return;
  }
  if (!signal.aborted) events.onEnd(null);
}

/** Frames on their way to the connection, which takes the next one when it has written the last. */
class Outbox implements AsyncIterable<SessionRequest> {
  #frames: SessionRequest[] = [];
  #wake: ((result: IteratorResult<SessionRequest>) => void) | undefined;
  #finished = false;

  push(frame: SessionRequest): void {
    if (this.#finished) return;
    if (this.#wake === undefined) this.#frames.push(frame);
    else this.#resolve({ done: false, value: frame });
  }

  finish(): void {
    this.#finished = true;
    if (this.#wake !== undefined) this.#resolve({ done: true, value: undefined });
  }

  #resolve(result: IteratorResult<SessionRequest>): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(result);
  }

  #discard(): Promise<IteratorResult<SessionRequest>> {
    this.#frames = [];
    this.finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterator<SessionRequest> {
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
