/** The codec written by hand against the generated one. */
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "bun:test";
import { JobOptionsSchema, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import {
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  SessionResponseSchema,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { decodeSessionResponse, encodeSessionRequest } from "#proto/session-codec.ts";

const encode = (frame: SessionRequest): Uint8Array =>
  toBinary(EmptySchema, { $typeName: "google.protobuf.Empty", $unknown: encodeSessionRequest(frame) });
const decode = (bytes: Uint8Array): SessionResponse =>
  decodeSessionResponse(fromBinary(EmptySchema, bytes).$unknown ?? []);

/** Small numbers from a seed, the same each time. */
class Dice {
  constructor(private state: number) {}
  below(limit: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }
  number(): number {
    return [0, 1, 127, 128, 16_383, 16_384, 0xffff_ffff, this.below(2 ** 31)][this.below(8)] ?? 0;
  }
  text(): string {
    return (
      ["", "a", "t:run", "ü😀", "x".repeat(127), "y".repeat(128), "z".repeat(20_000), "\ud800", "é".repeat(100)][
        this.below(9)
      ] ?? ""
    );
  }
  bytes(): Uint8Array {
    return new Uint8Array([0, 1, 100, 127, 128, 300, 20_000][this.below(7)] ?? 0).fill(this.below(256));
  }
  list<T>(make: () => T): T[] {
    return Array.from({ length: [0, 1, 2, 40][this.below(4)] ?? 0 }, make);
  }
}

function request(dice: Dice): SessionRequest {
  return create(SessionRequestSchema, {
    frameId: 1 + dice.below(2 ** 31),
    ...(dice.below(8) === 0
      ? { hello: { workerId: dice.text(), heldLeases: [{ jobId: dice.text(), leaseToken: 3 }] } }
      : {}),
    addFunctions: dice.list(() => dice.text()),
    enqueues: dice.list(() => ({
      jobId: dice.text(),
      functionName: dice.text(),
      args: dice.bytes(),
      parentId: dice.text(),
      ...(dice.below(2) === 0 ? {} : { options: options(dice) }),
    })),
    outcomes: dice.list(() => ({
      jobId: dice.text(),
      leaseToken: dice.number(),
      outcome: end(dice),
      durationUs: dice.number(),
    })),
    awaitJobIds: dice.list(() => dice.text()),
    unawaitJobIds: dice.list(() => dice.text()),
    drain: dice.below(2) === 0,
  });
}

function options(dice: Dice) {
  return create(
    JobOptionsSchema,
    dice.below(3) === 0 ? {} : { jitter: 0, maxAttempts: dice.number(), headers: { a: dice.text() } },
  );
}

function end(dice: Dice) {
  switch (dice.below(4)) {
    case 0:
      return { case: "success" as const, value: dice.bytes() };
    case 1:
      return { case: "failure" as const, value: { error: { name: dice.text() }, terminal: true, retryAfterMs: 0n } };
    case 2:
      return { case: "release" as const, value: { started: dice.below(2) === 0 } };
    default:
      return { case: undefined };
  }
}

function response(dice: Dice): SessionResponse {
  return create(SessionResponseSchema, {
    ...(dice.below(4) === 0 ? { welcome: { nodeId: dice.text(), leaseMs: dice.number() } } : {}),
    replies: dice.list(() => ({
      frameId: dice.number(),
      enqueued: dice.list(() => enqueued(dice)),
      settled: dice.list(() => dice.below(5)),
    })),
    assignments: dice.list(() => ({
      jobId: dice.text(),
      leaseToken: dice.number(),
      functionName: dice.text(),
      args: dice.bytes(),
      attempt: dice.number(),
      maxAttempts: dice.number(),
      timeoutMs: dice.number(),
      headers: Object.fromEntries(dice.list(() => [dice.text(), dice.text()])),
    })),
    finished: dice.list(() => ({ jobId: dice.text(), state: JobState.SUCCESS, result: dice.bytes() })),
    revocations: dice.list(() => ({ jobId: dice.text(), leaseToken: dice.number(), reason: "timeout" })),
    drain: dice.below(2) === 0,
  });
}

function enqueued(dice: Dice) {
  if (dice.below(4) === 0) return { result: { case: "error" as const, value: { code: 3, message: dice.text() } } };
  if (dice.below(4) === 0)
    return { result: { case: "job" as const, value: { jobId: dice.text(), deduplicated: true } } };
  return { result: { case: "job" as const, value: {} } };
}

describe("the session's codec", () => {
  const seed = Number(process.env["RESEOLIO_TEST_SEED"] ?? Date.now() % 2 ** 31);

  test(`writes what the generated code reads (seed ${seed})`, () => {
    const dice = new Dice(seed);
    for (let round = 0; round < 300; round++) {
      const frame = request(dice);
      expect(encode(frame)).toEqual(toBinary(SessionRequestSchema, frame));
    }
  });

  test(`reads what the generated code writes (seed ${seed})`, () => {
    const dice = new Dice(seed);
    for (let round = 0; round < 300; round++) {
      const bytes = toBinary(SessionResponseSchema, response(dice));
      expect(equals(SessionResponseSchema, decode(bytes), fromBinary(SessionResponseSchema, bytes))).toBe(true);
    }
  });

  test("a field of a later version is no fault", () => {
    const assignments = [
      { jobId: "a", $unknown: [{ no: 99, wireType: 2, data: Uint8Array.of(1, 7) }] },
      { jobId: "b" },
    ];
    const bytes = toBinary(SessionResponseSchema, create(SessionResponseSchema, { assignments }));
    expect(decode(bytes).assignments.map((assignment) => assignment.jobId)).toEqual(["a", "b"]);
  });

  test("bytes that end too early are an error, never a wrong message", () => {
    const whole = create(SessionResponseSchema, {
      replies: [{ frameId: 300, enqueued: [{ result: { case: "job", value: {} } }], settled: [1, 2] }],
      assignments: [
        { jobId: "job", leaseToken: 300, functionName: "t:run", args: new Uint8Array(200), headers: { a: "b" } },
      ],
    });
    const bytes = toBinary(SessionResponseSchema, whole);
    let readable = 0;
    for (let length = 1; length < bytes.length; length++) {
      const part = bytes.slice(0, length);
      try {
        expect(equals(SessionResponseSchema, decode(part), fromBinary(SessionResponseSchema, part))).toBe(true);
        readable++;
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
    // Only the cut between the two fields leaves a whole message.
    expect(readable).toBe(1);
    const inner = Uint8Array.from(bytes);
    inner[1] = 3;
    expect(() => decode(inner)).toThrow();
  });
});
