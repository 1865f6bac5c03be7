/** The daemon's side of the codec written by hand against the generated one. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { decodeSessionRequest, encodeSessionResponse } from "#proto/gen/reseolio/v1/session_daemon_frames.ts";
import { SessionRequestSchema, SessionResponseSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { damaged, isReadAlike, nested } from "../../support/damaged-bytes.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { FrameMaker } from "../../support/session-frames.ts";

describe("the daemon's side of a session's codec", () => {
  const random = seededRandom("session codec of the daemon");

  test("writes what the generated code writes", () => {
    const frames = new FrameMaker(random);
    for (let round = 0; round < 300; round++) {
      const frame = frames.response();
      expect(encodeSessionResponse(frame)).toEqual(toBinary(SessionResponseSchema, frame));
    }
  });

  test("reads what the generated code reads", () => {
    const frames = new FrameMaker(random);
    for (let round = 0; round < 300; round++) {
      const bytes = toBinary(SessionRequestSchema, frames.request());
      expect(decodeSessionRequest(bytes)).toEqual(fromBinary(SessionRequestSchema, bytes));
    }
  });

  test("P19: damaged bytes are an error or what the generated code makes of them", () => {
    const frames = new FrameMaker(random, true);
    const verdicts = new Set<boolean>();
    for (let round = 0; round < 12; round++) {
      const whole = toBinary(SessionRequestSchema, frames.request());
      for (const bytes of damaged(whole, random)) {
        verdicts.add(isReadAlike(SessionRequestSchema, bytes, decodeSessionRequest));
      }
    }
    expect(verdicts.size).toBe(2);
  });

  test.each([
    ["hello", [...nested(2, ...nested(1, 97)), ...nested(2, ...nested(2, 98))]],
    ["the options of a job", nested(4, ...nested(4, 8, 5), ...nested(4, 0x18, 7))],
    ["a release", nested(5, ...nested(5, 8, 1), ...nested(5))],
    ["a release, then a success", nested(5, ...nested(5, 8, 1), ...nested(3))],
    ["a success, then a failure", nested(5, ...nested(3, 1), ...nested(4, 0x10, 1))],
  ])("P19: %s that comes twice is read as the generated code reads it", (_, numbers) => {
    const bytes = Uint8Array.from(numbers);
    expect(decodeSessionRequest(bytes)).toEqual(fromBinary(SessionRequestSchema, bytes));
  });

  test("P19: a number does not go on behind the end of its message", () => {
    // The lease token's first byte says that another one follows, which belongs to the frame: its drain.
    const bytes = Uint8Array.from([...nested(5, 0x10, 0x80), 0x40, 1]);
    expect(() => decodeSessionRequest(bytes)).toThrow("a message ends at byte 4, inside a field");
  });

  test("P19: a frame that ends too early says so, and what follows it in memory is not read", () => {
    const whole = toBinary(
      SessionRequestSchema,
      create(SessionRequestSchema, { frameId: 1, enqueues: [{ functionName: "t:run", args: new Uint8Array(100) }] }),
    );
    expect(() => decodeSessionRequest(whole.subarray(0, 50))).toThrow(
      /^SessionRequest of 50 bytes is malformed: the field before byte 4 needs 109 bytes, its message has 46 left$/,
    );
  });

  test("args and results are views of a frame that lies anywhere in its memory", () => {
    const args = Uint8Array.of(1, 2, 3);
    const sent = create(SessionRequestSchema, {
      frameId: 1,
      enqueues: [{ functionName: "t:run", args }],
      outcomes: [{ outcome: { case: "success", value: args } }],
    });
    const bytes = toBinary(SessionRequestSchema, sent);
    const memory = new Uint8Array(bytes.length + 20).fill(0xff);
    memory.set(bytes, 7);
    const frame = decodeSessionRequest(memory.subarray(7, 7 + bytes.length));
    expect(frame).toEqual(sent);
    expect(frame.enqueues[0]?.args.buffer).toBe(memory.buffer);
    expect(frame.outcomes[0]?.outcome.value).toHaveProperty("buffer", memory.buffer);
  });

  test("a written frame stays as it is, however large the next one", () => {
    const small = create(SessionResponseSchema, { assignments: [{ jobId: "a", leaseToken: 7 }] });
    const large = create(SessionResponseSchema, {
      finished: [{ jobId: "b", result: new Uint8Array(3 * 1024 * 1024).fill(5) }],
    });
    const first = encodeSessionResponse(small);
    const second = encodeSessionResponse(large);
    const third = encodeSessionResponse(small);
    expect(first).toEqual(toBinary(SessionResponseSchema, small));
    expect(Buffer.compare(second, toBinary(SessionResponseSchema, large))).toBe(0);
    expect(third).toEqual(first);
    expect(first.buffer.byteLength).toBe(first.length);
    expect(third.buffer).not.toBe(first.buffer);
  });
});
