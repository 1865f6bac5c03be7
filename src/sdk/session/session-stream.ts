import {
  type Hello,
  type SessionRequest,
  type SessionResponse,
  SessionService,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { decodeSessionResponse, encodeSessionRequest } from "#proto/gen/reseolio/v1/session_client_frames.ts";
import type { Client } from "../transport/client.ts";

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
  const stream = client.transport.openStream(PATH, {
    onMessage: (bytes) => events.onFrame(decodeSessionResponse(bytes)),
    onEnd: events.onEnd,
  });
  return {
    ended: stream.ended,
    send: (frame) => stream.send(encodeSessionRequest(frame)),
    finish: () => stream.finish(),
    abort: () => stream.abort(),
  };
}

const PATH = `/${SessionService.typeName}/${SessionService.method.session.name}`;

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
    checkpoints: [],
    heartbeats: [],
    wakes: [],
  };
}
