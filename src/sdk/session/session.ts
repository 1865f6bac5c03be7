/**
 * The one stream between a client and its daemon. The batcher collects calls into frames, of which a limited number may
 * be unanswered. A broken stream is reopened with backoff: its hello claims the held leases, and what had no answer is
 * sent again.
 */
import { UNANSWERED_FRAME_ID } from "#proto/contract.ts";
import type { EnqueuedJob, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { SessionResponse, Welcome } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { ReseolioError } from "../errors.ts";
import type { Client } from "../transport/client.ts";
import { reseolioErrorFrom } from "../transport/connect-errors.ts";
import { AwaitedJobs } from "./awaited-jobs.ts";
import { Backoff } from "./backoff.ts";
import { Batcher } from "./batcher.ts";
import { PendingEnqueue } from "./frames.ts";
import { WaitList } from "./queues.ts";
import { closedError, endedError, protocolError, silentError } from "./session-errors.ts";
import { isRefusal, type SessionOwner, type SessionSettings } from "./session-settings.ts";
import { finishStream, HELLO_FRAME_ID, helloFrame, openSessionStream, type SessionStream } from "./session-stream.ts";

type State =
  | { readonly kind: "idle" }
  /** Between streams: waiting for the next try, or making sure that a daemon is running. */
  | { readonly kind: "between"; readonly timer: ReturnType<typeof setTimeout> | undefined }
  | { readonly kind: "greeting"; readonly stream: SessionStream; readonly since: number }
  | { readonly kind: "open"; readonly stream: SessionStream }
  | { readonly kind: "closed" };

export class Session {
  /** Everything that is sent to the daemon, now or on the next stream. */
  readonly batcher = new Batcher(() => this.#scheduleFlush());
  readonly awaited = new AwaitedJobs({
    onAwait: (jobId) => this.batcher.awaitJob(jobId),
    onUnawait: (jobId) => this.batcher.unawaitJob(jobId),
  });
  #state: State = { kind: "idle" };
  #opening: {
    readonly resolve: () => void;
    readonly reject: (error: ReseolioError) => void;
    readonly endAt: number;
  } | null = null;
  readonly #openWaiters = new WaitList();
  readonly #idleWaiters = new WaitList();
  #ticker: ReturnType<typeof setInterval> | undefined;
  #welcomes = 0;
  readonly #backoff: Backoff;
  /** Failed tries since the last welcome. */
  #failures = 0;
  #frameId = HELLO_FRAME_ID;
  #lastSentAt = 0;
  #lastTickAt = performance.now();
  #leaseMs = 15_000;
  #flushScheduled = false;
  #draining = false;
  #lastError: ReseolioError | null = null;

  readonly #client: Client;
  readonly #owner: SessionOwner;
  readonly #settings: SessionSettings;
  /** Makes sure that a daemon is running; called before each stream is opened. */
  readonly #prepare: () => Promise<void>;

  constructor(client: Client, owner: SessionOwner, settings: SessionSettings, prepare: () => Promise<void>) {
    this.#client = client;
    this.#owner = owner;
    this.#settings = settings;
    this.#prepare = prepare;
    this.#backoff = new Backoff(settings.minBackoffMs, settings.maxBackoffMs);
  }

  get isOpen(): boolean {
    return this.#state.kind === "open";
  }

  get #address(): string {
    return this.#client.transport.address.text;
  }

  get isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  /**
   * Resolves with the daemon's first welcome.
   *
   * @throws ReseolioError when the daemon refuses this client or cannot be reached within `connectTimeoutMs`; the
   * session is then closed
   */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject, endAt: performance.now() + this.#settings.connectTimeoutMs };
      this.#lastTickAt = performance.now();
      this.#ticker = setInterval(() => this.#tick(), this.#settings.tickMs);
      void this.#connect();
    });
  }

  /**
   * Resolves when the job is on disk, with what `onEnqueued` makes of the daemon's answer. Rejects with the daemon's
   * refusal, or with ConnectionError when there was no answer within `callTimeoutMs`.
   */
  enqueue<T>(job: NewJob, onEnqueued: (answer: EnqueuedJob, job: NewJob) => T): Promise<T> {
    const { callTimeoutMs } = this.#settings;
    const call = new PendingEnqueue(job, performance.now() + callTimeoutMs, this.#address, onEnqueued);
    this.batcher.enqueue(call);
    return call.promise;
  }

  /** Tells the daemon to send no more assignments, on this stream and on later ones. */
  drain(): void {
    this.#draining = true;
    this.batcher.drain();
  }

  /** Resolves when the stream is open, or after `timeoutMs`. */
  whenOpen(timeoutMs: number): Promise<void> {
    if (this.#state.kind === "open" || this.#state.kind === "closed") return Promise.resolve();
    return this.#openWaiters.wait(timeoutMs);
  }

  /** Resolves when everything is answered, a drain included, or after `timeoutMs`. */
  whenIdle(timeoutMs: number): Promise<void> {
    if (this.batcher.isIdle || this.#state.kind === "closed") return Promise.resolve();
    return this.#idleWaiters.wait(timeoutMs);
  }

  /**
   * Fails all waits with ConnectionError and frees all resources. Resolves when the daemon has ended the stream, or
   * soon after.
   */
  close(): Promise<void> {
    const state = this.#state;
    if (state.kind === "closed") return Promise.resolve();
    this.#state = { kind: "closed" };
    clearInterval(this.#ticker);
    if (state.kind === "between") clearTimeout(state.timer);
    if (state.kind === "greeting") state.stream.abort();
    this.batcher.close();
    this.awaited.close(closedError(this.#address));
    this.#opening?.reject(this.#lastError ?? closedError(this.#address));
    this.#opening = null;
    this.#openWaiters.wake();
    this.#idleWaiters.wake();
    return state.kind === "open" ? finishStream(state.stream) : Promise.resolve();
  }

  async #connect(): Promise<void> {
    this.#state = { kind: "between", timer: undefined };
    try {
      await this.#prepare();
    } catch (error) {
      if (!this.isClosed) this.#retryLater(reseolioErrorFrom(error));
      return;
    }
    if (!this.isClosed) this.#openStream();
  }

  #openStream(): void {
    const stream: SessionStream = openSessionStream(this.#client, {
      onFrame: (frame) => this.#onFrame(stream, frame),
      onEnd: (error) => this.#onEnd(stream, error),
    });
    const now = performance.now();
    this.#state = { kind: "greeting", stream, since: now };
    this.batcher.restart(this.awaited.jobIds, now);
    this.#frameId = HELLO_FRAME_ID;
    stream.send(helloFrame(this.#owner.hello(), this.#draining));
  }

  #onFrame(stream: SessionStream, frame: SessionResponse): void {
    if (!this.#isCurrent(stream)) return;
    if (frame.welcome !== undefined) this.#welcome(stream, frame.welcome);
    for (const reply of frame.replies) {
      if (reply.frameId <= HELLO_FRAME_ID || this.batcher.answer(reply)) continue;
      this.#breakStream(protocolError(this.#address, `reply ${reply.frameId} does not match what was sent`));
      return;
    }
    this.#owner.received(frame);
    for (const job of frame.finished) this.awaited.finish(job);
    if (!this.#idleWaiters.isEmpty && this.batcher.isIdle) this.#idleWaiters.wake();
    this.#scheduleFlush();
  }

  #welcome(stream: SessionStream, welcome: Welcome): void {
    this.#state = { kind: "open", stream };
    this.#leaseMs = welcome.leaseMs;
    // A daemon that welcomes and then refuses what it receives will do so again: keep the backoff.
    if (this.#lastError === null || !isRefusal(this.#lastError)) this.#backoff.reset();
    this.#failures = 0;
    this.#lastError = null;
    this.#lastSentAt = performance.now();
    this.#welcomes++;
    this.#owner.connected(welcome, this.#welcomes > 1);
    this.#opening?.resolve();
    this.#opening = null;
    this.#openWaiters.wake();
  }

  #onEnd(stream: SessionStream, error: unknown): void {
    if (!this.#isCurrent(stream)) return;
    this.#breakStream(error === null ? endedError(this.#address) : reseolioErrorFrom(error));
  }

  #isCurrent(stream: SessionStream): boolean {
    return (this.#state.kind === "open" || this.#state.kind === "greeting") && this.#state.stream === stream;
  }

  #breakStream(error: ReseolioError): void {
    const state = this.#state;
    if (state.kind !== "open" && state.kind !== "greeting") return;
    state.stream.abort();
    if (state.kind === "open") this.#owner.disconnected(error);
    this.#retryLater(error);
  }

  #retryLater(error: ReseolioError): void {
    this.#lastError = error;
    if (this.#opening !== null && (isRefusal(error) || performance.now() >= this.#opening.endAt)) {
      void this.close();
      return;
    }
    this.#owner.connectFailed(error);
    this.#state = { kind: "between", timer: setTimeout(() => void this.#connect(), this.#nextDelayMs()) };
  }

  /** Tries every daemon once before the first wait. */
  #nextDelayMs(): number {
    const { transport } = this.#client;
    transport.failOver();
    return ++this.#failures % transport.addressCount === 0 ? this.#backoff.nextMs() : 0;
  }

  #tick(): void {
    const now = performance.now();
    // After the whole process was suspended, answers wait in the socket: deadlines are checked at the next tick.
    const wasAsleep = now - this.#lastTickAt > 4 * this.#settings.tickMs;
    this.#lastTickAt = now;
    this.batcher.retryPostponed();
    this.#scheduleFlush();
    this.#owner.tick(now);
    if (wasAsleep) return;
    this.batcher.expire(now);
    if (this.#opening !== null && now >= this.#opening.endAt) {
      this.#lastError ??= silentError(this.#address, this.#settings.connectTimeoutMs);
      void this.close();
    } else if (this.#state.kind === "greeting") this.#checkPeer(this.#state.since, now);
    else if (this.#state.kind === "open") {
      this.#checkPeer(this.batcher.oldestSentAt ?? now, now);
      this.#renewLease(now);
    }
  }

  /** With other daemons to switch to, gives up early enough for the leases to reach one before they expire. */
  get #patienceMs(): number {
    const { replyTimeoutMs } = this.#settings;
    return this.#client.transport.addressCount === 1 ? replyTimeoutMs : Math.min(replyTimeoutMs, this.#leaseMs / 3);
  }

  /** A peer that accepts frames but answers none is a black hole: closes the connection, not only the stream. */
  #checkPeer(waitingSince: number, now: number): void {
    if (now - waitingSince <= this.#patienceMs) return;
    this.#breakStream(silentError(this.#address, now - waitingSince));
    this.#client.transport.close();
  }

  /** Sends a frame even if the maximum is unanswered: a slow commit must not cost the leases. */
  #renewLease(now: number): void {
    if (this.#state.kind !== "open") return;
    if (now - this.#lastSentAt >= this.#leaseMs / 3 - this.#settings.tickMs) this.#sendFrame(this.#state.stream);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || !this.#canSend()) return;
    this.#flushScheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushScheduled = false;
    while (this.#state.kind === "open" && this.#canSend()) this.#sendFrame(this.#state.stream);
  };

  /**
   * While a frame is unanswered, another one is sent only if it carries as much. Both sides then work in parallel
   * without frames getting small, which would cost more than waiting.
   */
  #canSend(): boolean {
    if (this.#state.kind !== "open" || !this.batcher.hasWork) return false;
    const { unanswered, waitingItems, unansweredItems } = this.batcher;
    return unanswered === 0 || (unanswered < this.#settings.maxUnanswered && waitingItems >= unansweredItems);
  }

  #sendFrame(stream: SessionStream): void {
    const frame = this.batcher.takeFrame(this.#frameId + 1, performance.now());
    // Frames without a reply do not count: a silent peer is detected by the next frame that it has to answer.
    if (frame.frameId !== UNANSWERED_FRAME_ID) [this.#frameId, this.#lastSentAt] = [frame.frameId, performance.now()];
    stream.send(frame);
  }
}
