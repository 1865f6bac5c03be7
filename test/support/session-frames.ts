/** Frames of a session by chance: everything that the protocol allows, with the values at which encodings change. */
import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { JobOptionsSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResultSchema } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import {
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  SessionResponseSchema,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Random } from "./seeded-random.ts";

const NUMBERS = [0, 1, 127, 128, 16_383, 16_384, 0x1f_ffff, 0x20_0000, 0xfff_ffff, 0x1000_0000, 0xffff_ffff];
const TEXTS = ["", "a", "t:run", "ü😀", "\ufeffmark", "\ud800", "__proto__", "7", "x".repeat(36)];
const LONG_TEXTS = ["x".repeat(127), "y".repeat(128), "é".repeat(100), "z".repeat(20_000)];
const LENGTHS = [0, 1, 20, 100];
const LONG_LENGTHS = [127, 128, 300, 20_000];

export class FrameMaker {
  readonly #random: Random;
  readonly #small: boolean;

  /** @param small frames of some hundred bytes, to be damaged at every byte */
  constructor(random: Random, small = false) {
    this.#random = random;
    this.#small = small;
  }

  request(): SessionRequest {
    const frame = create(SessionRequestSchema, {
      frameId: this.#number(),
      ...this.#rarely(8, () => ({ hello: this.#hello() })),
      addFunctions: this.#list(() => this.#text()),
      enqueues: this.#list(() => this.#newJob()),
      outcomes: this.#list(() => this.#outcome()),
      awaitJobIds: this.#list(() => this.#text()),
      unawaitJobIds: this.#list(() => this.#text()),
      drain: this.#chance(2),
      checkpoints: this.#list(() => ({
        ...this.#lease(),
        ...this.#usually(() => ({ checkpoint: this.#checkpoint() })),
      })),
      heartbeats: this.#list(() => ({ ...this.#lease(), extendMs: this.#number() })),
      wakes: this.#list(() => ({ ...this.#lease(), started: this.#chance(2) })),
    });
    const checkpoints = frame.checkpoints.flatMap((one) => [one, ...(one.checkpoint ? [one.checkpoint] : [])]);
    const releases = frame.outcomes.flatMap(({ outcome }) => (outcome.case === "release" ? [outcome.value] : []));
    this.#addLater([frame, ...frame.enqueues, ...frame.outcomes, ...releases, ...checkpoints]);
    return frame;
  }

  response(): SessionResponse {
    const frame = create(SessionResponseSchema, {
      ...this.#rarely(4, () => ({ welcome: { nodeId: this.#text(), leaseMs: this.#number() } })),
      replies: this.#list(() => this.#reply()),
      assignments: this.#list(() => this.#assignment()),
      revocations: this.#list(() => ({ ...this.#lease(), reason: "timeout" })),
      finished: this.#list(() => this.#finished()),
      recalls: this.#list(() => ({ ...this.#lease(), started: this.#chance(2) })),
      drain: this.#chance(2),
      checkpoints: this.#list(() => ({ ...this.#lease(), checkpoint: this.#checkpoint() })),
    });
    const results = frame.replies.flatMap((reply) => reply.enqueued);
    const jobs = results.flatMap(({ result }) => (result.case === "job" ? [result.value] : []));
    this.#addLater([frame, ...frame.replies, ...results, ...jobs, ...frame.assignments, ...frame.finished]);
    return frame;
  }

  #hello() {
    return { workerId: this.#text(), pid: this.#number(), heldLeases: this.#list(() => this.#lease()) };
  }

  #lease() {
    return { jobId: this.#text(), leaseToken: this.#number() };
  }

  #newJob() {
    return {
      jobId: this.#text(),
      functionName: this.#text(),
      args: this.#bytes(),
      parentId: this.#text(),
      ...this.#rarely(2, () => ({ options: this.#options() })),
    };
  }

  #options() {
    if (this.#chance(3)) return create(JobOptionsSchema);
    const headers = { a: this.#text() };
    return create(JobOptionsSchema, { jitter: 0, maxAttempts: this.#number(), priority: -3, delayMs: 5n, headers });
  }

  #outcome() {
    return {
      jobId: this.#text(),
      leaseToken: this.#number(),
      outcome: this.#end(),
      durationUs: this.#number(),
    };
  }

  #end() {
    switch (this.#below(5)) {
      case 0:
        return { case: "success" as const, value: this.#bytes() };
      case 1:
        return { case: "failure" as const, value: { error: { name: this.#text() }, terminal: true, retryAfterMs: 0n } };
      case 2:
        return { case: "release" as const, value: { started: this.#chance(2) } };
      case 3:
        return {
          case: "park" as const,
          value: { waits: this.#list(() => this.#wait()), waitingNames: [this.#text()] },
        };
      default:
        return { case: undefined };
    }
  }

  #wait() {
    return { name: this.#text(), awaited: { case: "sleepMs" as const, value: 7n }, timeoutMs: 0n };
  }

  #checkpoint() {
    return {
      name: this.#text(),
      kind: this.#below(7),
      value: this.#bytes(),
      timedOut: this.#chance(2),
      failures: this.#number(),
      ...this.#rarely(3, () => ({ error: { name: this.#text(), stack: this.#text() } })),
      ...this.#rarely(3, () => ({ recordedAt: { seconds: 5n, nanos: 6 } })),
    };
  }

  #reply() {
    return {
      frameId: this.#number(),
      enqueued: this.#list(() => this.#enqueued()),
      settled: this.#list(() => this.#below(5)),
      recorded: this.#list(() => ({ result: this.#below(5), message: this.#text() })),
    };
  }

  #enqueued(): MessageInitShape<typeof EnqueueResultSchema> {
    switch (this.#below(8)) {
      case 0:
        return { result: { case: "error" as const, value: { code: 3, message: this.#text() } } };
      case 1:
        return { result: { case: "job" as const, value: this.#enqueuedJob() } };
      case 2:
        return { result: { case: undefined } };
      default:
        return { result: { case: "job" as const, value: {} } };
    }
  }

  #enqueuedJob() {
    return {
      jobId: this.#text(),
      deduplicated: true,
      argsDiffer: this.#chance(2),
      state: this.#below(7),
    };
  }

  #assignment() {
    return {
      ...this.#lease(),
      functionName: this.#text(),
      args: this.#bytes(),
      attempt: this.#number(),
      maxAttempts: this.#number(),
      timeoutMs: this.#number(),
      headers: Object.fromEntries(this.#list(() => [this.#text(), this.#text()])),
      checkpointCount: this.#number(),
      resumed: this.#chance(2),
      ranMs: this.#number(),
      failures: this.#number(),
    };
  }

  #finished() {
    return {
      jobId: this.#text(),
      state: this.#below(7),
      result: this.#bytes(),
      ...this.#rarely(3, () => ({ error: { name: this.#text(), stack: this.#text() } })),
    };
  }

  /** Fields of a later version: rarely, as one of them hands the whole frame to the generated code. */
  #addLater(messages: readonly Message[]): void {
    for (const message of messages) {
      const no = [99, 2000, 0x1fff_ffff][this.#below(3)] ?? 99;
      if (this.#chance(200)) message.$unknown = [{ no, wireType: 2, data: Uint8Array.of(2, 7, 8) }];
    }
  }

  #usually<T extends object>(make: () => T): T | Record<string, never> {
    return this.#chance(4) ? {} : make();
  }

  #rarely<T extends object>(times: number, make: () => T): T | Record<string, never> {
    return this.#chance(times) ? make() : {};
  }

  #chance(times: number): boolean {
    return this.#below(times) === 0;
  }

  #below(limit: number): number {
    return this.#random.between(0, limit - 1);
  }

  #pick<T>(items: readonly T[], rest: T): T {
    return items[this.#below(items.length)] ?? rest;
  }

  #number(): number {
    return this.#pick(NUMBERS, 0);
  }

  #text(): string {
    return this.#pick(this.#small ? TEXTS : [...TEXTS, ...LONG_TEXTS], "");
  }

  #bytes(): Uint8Array<ArrayBuffer> {
    const length = this.#pick(this.#small ? LENGTHS : [...LENGTHS, ...LONG_LENGTHS], 0);
    return new Uint8Array(length).fill(this.#below(256));
  }

  #list<T>(make: () => T): T[] {
    return Array.from({ length: this.#pick(this.#small ? [0, 1, 2] : [0, 1, 2, 40], 0) }, make);
  }
}
