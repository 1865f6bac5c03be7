/** The client's side of the codec written by hand against the generated one. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { decodeSessionResponse, encodeSessionRequest } from "#proto/gen/reseolio/v1/session_client_frames.ts";
import {
  AssignmentSchema,
  SessionRequestSchema,
  SessionResponseSchema,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { damaged, isReadAlike, nested } from "../../support/damaged-bytes.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { FrameMaker } from "../../support/session-frames.ts";

describe("the client's side of a session's codec", () => {
  const random = seededRandom("session codec of the client");

  test("writes what the generated code writes", () => {
    const frames = new FrameMaker(random);
    for (let round = 0; round < 300; round++) {
      const frame = frames.request();
      expect(encodeSessionRequest(frame)).toEqual(toBinary(SessionRequestSchema, frame));
    }
  });

  test("reads what the generated code reads", () => {
    const frames = new FrameMaker(random);
    for (let round = 0; round < 300; round++) {
      const bytes = toBinary(SessionResponseSchema, frames.response());
      expect(decodeSessionResponse(bytes)).toEqual(fromBinary(SessionResponseSchema, bytes));
    }
  });

  test("damaged bytes are an error or what the generated code makes of them", () => {
    const frames = new FrameMaker(random, true);
    const verdicts = new Set<boolean>();
    for (let round = 0; round < 12; round++) {
      const whole = toBinary(SessionResponseSchema, frames.response());
      for (const bytes of damaged(whole, random)) {
        verdicts.add(isReadAlike(SessionResponseSchema, bytes, decodeSessionResponse));
      }
    }
    expect(verdicts.size).toBe(2);
  });

  test.each([
    ["welcome", [...nested(1, ...nested(2, 97)), ...nested(1, ...nested(1, 98))]],
    ["an enqueued job", nested(2, ...nested(2, ...nested(1, 0x10, 1), ...nested(1, 0x18, 1)))],
    ["an enqueue error after a job", nested(2, ...nested(2, ...nested(1), ...nested(2, 8, 5)))],
    ["a finished job's error", nested(5, ...nested(4, ...nested(1, 97)), ...nested(4, ...nested(2, 98)))],
    ["a header", nested(3, ...nested(8, ...nested(1, 97), ...nested(2, 98)), ...nested(8, ...nested(1, 97)))],
  ])("%s that comes twice is read as the generated code reads it", (_, numbers) => {
    const bytes = Uint8Array.from(numbers);
    expect(decodeSessionResponse(bytes)).toEqual(fromBinary(SessionResponseSchema, bytes));
  });

  test("an enum's number that this version does not know keeps its sign", () => {
    const bytes = Uint8Array.from(nested(2, ...nested(3, 9, 0xff, 0xff, 0xff, 0xff, 0x0f)));
    expect(decodeSessionResponse(bytes).replies[0]?.settled.map(Number)).toEqual([9, -1]);
    expect(decodeSessionResponse(bytes)).toEqual(fromBinary(SessionResponseSchema, bytes));
  });

  test("a name like the one before is no excuse for bytes that are not UTF-8", () => {
    const bytes = Uint8Array.from([...nested(3, ...nested(3, 0xc3, 0xa9)), ...nested(3, ...nested(3, 0xe9))]);
    expect(() => decodeSessionResponse(bytes)).toThrow("SessionResponse of 11 bytes is malformed");
  });

  test("a field of a later version is kept, and hides nothing", () => {
    const later = [{ no: 99, wireType: 2, data: Uint8Array.of(1, 7) }];
    const first = create(AssignmentSchema, { jobId: "a" });
    first.$unknown = later;
    const sent = create(SessionResponseSchema, { assignments: [first, { jobId: "b" }] });
    const frame = decodeSessionResponse(toBinary(SessionResponseSchema, sent));
    expect(frame.assignments.map((assignment) => assignment.jobId)).toEqual(["a", "b"]);
    expect(frame.assignments[0]?.$unknown).toEqual(later);
  });

  test("a length beyond its message is an error, and so is text that is not UTF-8", () => {
    const longer = Uint8Array.of(0x12, 4, 0x12, 0x10, 0x0a, 0x00, ...new Uint8Array(20));
    expect(() => decodeSessionResponse(longer)).toThrow(
      "SessionResponse of 26 bytes is malformed: the field before byte 4 needs 16 bytes, its message has 2 left",
    );
    const text = Uint8Array.of(0x1a, 3, 0x0a, 1, 0xff);
    expect(() => decodeSessionResponse(text)).toThrow("SessionResponse of 5 bytes is malformed");
    const number = Uint8Array.of(0x12, 6, 0x08, 0xff, 0xff, 0xff, 0xff, 0x1f);
    expect(() => decodeSessionResponse(number)).toThrow("the number before byte 8 has more than 32 bits");
  });

  test.each([1.5, -1, 2 ** 32, Number.NaN])("refuses to write %p where a uint32 belongs", (durationUs) => {
    const frame = create(SessionRequestSchema, { frameId: 1, outcomes: [{ jobId: "a", durationUs }] });
    expect(() => encodeSessionRequest(frame)).toThrow(`field 6 is ${durationUs}; it must be a whole number`);
    const next = create(SessionRequestSchema, { frameId: 2 });
    expect(encodeSessionRequest(next)).toEqual(Uint8Array.of(8, 2));
  });
});
