import { describe, expect, test } from "bun:test";
import { GrpcFrameError, GrpcFrameReader, writeGrpcFrame } from "#proto/wire/grpc-frames.ts";

const texts = ["", "a", "hello", "", "x".repeat(300), "last"];
const bytes = Buffer.concat(texts.map((text) => writeGrpcFrame(Buffer.from(text))));

/** What a reader makes of the chunks. */
function read(chunks: readonly Uint8Array[], maxBytes = 1_000): string[] {
  const reader = new GrpcFrameReader(maxBytes);
  const messages: string[] = [];
  for (const chunk of chunks) reader.push(chunk, (message) => messages.push(Buffer.from(message).toString()));
  reader.end();
  return messages;
}

function faultOf(act: () => unknown): GrpcFrameError {
  try {
    act();
  } catch (error) {
    if (error instanceof GrpcFrameError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("messages on a gRPC stream", () => {
  test("stand behind a flag and their length", () => {
    expect([...writeGrpcFrame(Buffer.from("hi"))]).toEqual([0, 0, 0, 0, 2, 104, 105]);
    expect([...writeGrpcFrame(new Uint8Array(70_000)).subarray(0, 5)]).toEqual([0, 0, 1, 0x11, 0x70]);
  });

  test("are read when several come in one chunk", () => {
    expect(read([bytes])).toEqual(texts);
  });

  test("are read wherever they are cut in two", () => {
    for (let at = 0; at <= bytes.length; at++) {
      expect({ at, messages: read([bytes.subarray(0, at), bytes.subarray(at)]) }).toEqual({ at, messages: texts });
    }
  });

  test("are read from chunks of any size, a byte at a time too", () => {
    for (let size = 1; size <= 20; size++) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      expect({ size, messages: read(chunks) }).toEqual({ size, messages: texts });
    }
  });

  test("come as soon as they are whole, not with the next chunk", () => {
    const reader = new GrpcFrameReader(100);
    let count = 0;
    reader.push(writeGrpcFrame(Buffer.from("one")), () => count++);
    expect(count).toBe(1);
    reader.push(writeGrpcFrame(new Uint8Array(0)), () => count++);
    expect(count).toBe(2);
  });

  test("of the greatest length are read, longer ones are refused before their bytes have come", () => {
    const longest = writeGrpcFrame(new Uint8Array(1_000));
    expect(read([longest])[0]?.length).toBe(1_000);
    const tooLong = writeGrpcFrame(new Uint8Array(1_001)).subarray(0, 5);
    const fault = faultOf(() => read([tooLong.subarray(0, 4), tooLong.subarray(4)]));
    expect(fault.reason).toBe("too_large");
    expect(fault.message).toContain("1001 bytes long; at most 1000");
    expect(faultOf(() => read([Buffer.of(0, 255, 255, 255, 255)])).reason).toBe("too_large");
  });

  test("before a refused one still arrive", () => {
    const reader = new GrpcFrameReader(10);
    let count = 0;
    const chunk = Buffer.concat([writeGrpcFrame(Buffer.from("one")), Buffer.of(0, 0, 0, 0, 11)]);
    expect(faultOf(() => reader.push(chunk, () => count++)).reason).toBe("too_large");
    expect(count).toBe(1);
  });

  test("are refused when they are compressed", () => {
    expect(faultOf(() => read([Buffer.of(1, 0, 0, 0, 0)])).reason).toBe("compressed");
  });

  test("that are not whole at the end of the stream are a fault", () => {
    expect(faultOf(() => read([bytes.subarray(0, bytes.length - 1)])).message).toContain("1 bytes before");
    expect(faultOf(() => read([Buffer.of(0, 0)])).reason).toBe("truncated");
  });
});
