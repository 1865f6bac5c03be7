import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type {
  Assignment,
  OutcomeSchema,
  RecordedCheckpoint,
  Reply,
  Revocation,
  SessionResponse,
  SettleResult,
  Welcome,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { HelloSchema, SessionRequestSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { HelloSchema as Hello, SessionRequestSchema as Frame } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { type Client, createClient } from "../../src/sdk/transport/client.ts";
import { readProcessIdentity } from "../../src/sdk/worker/process-identity.ts";

type OutcomeInit = MessageInitShape<typeof OutcomeSchema>;

/**
 * A worker that speaks the session's protocol by hand, so that it can say what the SDK never would: outcomes under old
 * leases, nothing at all for as long as it likes.
 */
export class RawWorker implements AsyncDisposable {
  readonly #client: Client;
  readonly #frames: SessionResponse[] = [];
  readonly #outbox: MessageInitShape<typeof Frame>[] = [];
  #wakeOutbox: () => void = () => {};
  #wakeReader: () => void = () => {};
  #frameId = 0;
  #isOver = false;

  private constructor(address: string) {
    this.#client = createClient({ address });
  }

  /** Connects and resolves with the welcome. Sends no frame by itself afterwards, not even to renew its lease. */
  static async connect(
    address: string,
    hello: MessageInitShape<typeof Hello>,
  ): Promise<{ readonly worker: RawWorker; readonly welcome: Welcome }> {
    const worker = new RawWorker(address);
    void worker.#read();
    worker.#send({ hello: create(HelloSchema, { ...readProcessIdentity(), concurrency: 1, ...hello }) });
    const { welcome } = await worker.#until((frame) => frame.welcome !== undefined);
    return { worker, welcome: welcome as Welcome };
  }

  /** All that came, in order. */
  get assignments(): readonly Assignment[] {
    return this.#frames.flatMap(({ assignments }) => assignments);
  }

  /** Resolves with the first assignment of this job, or of any. */
  async assigned(jobId?: string): Promise<Assignment> {
    const isWanted = (one: Assignment): boolean => jobId === undefined || one.jobId === jobId;
    const frame = await this.#until(({ assignments }) => assignments.some(isWanted));
    return frame.assignments.find(isWanted) as Assignment;
  }

  /** Resolves with the assignment that came as this one of all, from 0. */
  async nthAssigned(place: number): Promise<Assignment> {
    await this.#until(() => this.assignments.length > place);
    return this.assignments[place] as Assignment;
  }

  /** What the daemon made of each outcome, in order. */
  async report(...outcomes: OutcomeInit[]): Promise<readonly SettleResult[]> {
    const frameId = this.#send({ outcomes });
    const frame = await this.#until(({ replies }) => replies.some((reply) => reply.frameId === frameId));
    return frame.replies.find((reply) => reply.frameId === frameId)?.settled ?? [];
  }

  /** One frame with whatever is in it; resolves with the daemon's answer. */
  async say(frame: MessageInitShape<typeof Frame>): Promise<Reply> {
    const frameId = this.#send(frame);
    const answer = await this.#until(({ replies }) => replies.some((reply) => reply.frameId === frameId));
    return answer.replies.find((reply) => reply.frameId === frameId) as Reply;
  }

  /** The lease token's assignment of this job; resolves with it and with all checkpoints that came before or with it. */
  async leased(
    jobId: string,
    leaseToken: number,
  ): Promise<{
    readonly assignment: Assignment;
    readonly checkpoints: readonly Checkpoint[];
    /** The same with whose they are. */
    readonly records: readonly RecordedCheckpoint[];
    readonly frames: number;
  }> {
    const isIt = (one: { readonly jobId: string; readonly leaseToken: number }): boolean =>
      one.jobId === jobId && one.leaseToken === leaseToken;
    const last = await this.#until(({ assignments }) => assignments.some(isIt));
    const before = this.#frames.slice(0, this.#frames.indexOf(last) + 1);
    const recorded = before.map((frame) => frame.checkpoints.filter(isIt)).filter((list) => list.length > 0);
    return {
      assignment: last.assignments.find(isIt) as Assignment,
      records: recorded.flat(),
      checkpoints: recorded.flat().flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint])),
      frames: recorded.length,
    };
  }

  /** The first revocation of a lease of this job. */
  async revoked(jobId: string): Promise<Revocation> {
    const frame = await this.#until(({ revocations }) => revocations.some((one) => one.jobId === jobId));
    return frame.revocations.find((one) => one.jobId === jobId) as Revocation;
  }

  /** Resolves when the daemon has ended the session. */
  async ended(): Promise<void> {
    while (!this.#isOver) await this.#news();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#wakeOutbox();
    this.#client.close();
  }

  #send(frame: MessageInitShape<typeof Frame>): number {
    this.#outbox.push({ ...frame, frameId: ++this.#frameId });
    this.#wakeOutbox();
    return this.#frameId;
  }

  async *#requests(): AsyncGenerator<MessageInitShape<typeof Frame>> {
    for (;;) {
      const frame = this.#outbox.shift();
      if (frame !== undefined) yield create(SessionRequestSchema, frame);
      else if (this.#isOver) return;
      else await new Promise<void>((resolve) => (this.#wakeOutbox = resolve));
    }
  }

  async #read(): Promise<void> {
    try {
      for await (const frame of this.#client.session.session(this.#requests())) {
        this.#frames.push(frame);
        this.#wakeReader();
      }
    } catch {
      // However the session ended, it is over; who waits for a frame is told.
    }
    this.#isOver = true;
    this.#wakeReader();
  }

  async #until(matches: (frame: SessionResponse) => boolean): Promise<SessionResponse> {
    for (;;) {
      const found = this.#frames.find(matches);
      if (found !== undefined) return found;
      if (this.#isOver) throw new Error("the session ended before the daemon said what was waited for");
      await this.#news();
    }
  }

  #news(): Promise<void> {
    const before = this.#wakeReader;
    return new Promise((resolve) => {
      this.#wakeReader = () => {
        before();
        resolve();
      };
    });
  }
}
