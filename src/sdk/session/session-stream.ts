import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import { decodeSessionResponse, encodeSessionRequest } from "#proto/gen/reseolio/v1/session_client_frames.ts";
import {
  type Assignment,
  type Hello,
  type RecordedCheckpoint,
  type SessionRequest,
  type SessionResponse,
  SessionService,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Client } from "../transport/client.ts";

/** One Session stream, from its opening to its end. */
export interface SessionStream {
  /** Queues a frame; the caller limits how many are unanswered. Does nothing after the end. */
  send(frame: SessionRequest): void;
  /** Half-closes the stream: the daemon ends it when it has answered all frames. */
  finish(): void;
  /** Cancels the stream at once, without calling its events again. */
  abort(): void;
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
}

export interface SessionStreamEvents {
  /** Called in order. Must not throw. */
  readonly onFrame: (frame: SessionResponse) => void;
  /** Called once, last, with the error that broke the stream, or null when the daemon ended it. */
  readonly onEnd: (error: unknown) => void;
}

/** Opens the stream. Reports all errors through `onEnd` and never throws. */
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

/** Half-closes the stream and waits for the daemon to end it, but not longer than FINISH_MS. */
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

export interface ArrivedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** It belongs to the job whose steps are undone. */
  readonly ofUndone: boolean;
}

/** Holds checkpoints that arrive before their assignment: a job may have more than fit into one frame. */
export class ArrivingCheckpoints {
  readonly #arrived = new Map<string, { readonly leaseToken: number; readonly checkpoints: ArrivedCheckpoint[] }>();

  add(recorded: readonly RecordedCheckpoint[]): void {
    for (const { jobId, leaseToken, checkpoint, ofUndone } of recorded) {
      if (checkpoint === undefined) continue;
      const known = this.#arrived.get(jobId);
      const arrived: ArrivedCheckpoint = { checkpoint, ofUndone };
      if (known?.leaseToken === leaseToken) known.checkpoints.push(arrived);
      else this.#arrived.set(jobId, { leaseToken, checkpoints: [arrived] });
    }
  }

  /** Removes and returns all that arrived for this lease. */
  take({ jobId, leaseToken, checkpointCount }: Assignment): readonly ArrivedCheckpoint[] {
    if (checkpointCount === 0) return NONE;
    const known = this.#arrived.get(jobId);
    this.#arrived.delete(jobId);
    return known?.leaseToken === leaseToken ? known.checkpoints : NONE;
  }

  clear(): void {
    this.#arrived.clear();
  }
}

const NONE: readonly ArrivedCheckpoint[] = [];
