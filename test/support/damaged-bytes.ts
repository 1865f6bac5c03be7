/** Messages in protobuf's wire format that somebody cut, stretched or wrote over. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { expect } from "bun:test";
import { MalformedFrameError } from "#proto/wire/reader.ts";
import type { Random } from "./seeded-random.ts";

/** Read as numbers, lengths and tags: longer than 32 bits, longer than 64 bits, without end, and just very large. */
const HUGE_NUMBERS = [
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  Array.from({ length: 12 }, () => 0xff),
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x07],
];

/** Cuts and changes at every byte of `whole`. A cut is a view, behind which the rest can still be read by mistake. */
export function* damaged(whole: Uint8Array, random: Random): Generator<Uint8Array> {
  for (let at = 0; at < whole.length; at++) {
    yield whole.subarray(0, at);
    yield changed(whole, at, random.between(0, 255));
    // Another wire type, when a tag stands here; a length that is too large by some, when a length does.
    yield changed(whole, at, ((whole[at] ?? 0) & ~7) | random.between(0, 7));
    yield changed(whole, at, (whole[at] ?? 0) + random.between(1, 3));
    const huge = HUGE_NUMBERS[random.between(0, HUGE_NUMBERS.length - 1)] ?? [];
    yield Uint8Array.from([...whole.subarray(0, at), ...huge, ...whole.subarray(at + 1)]);
    yield Uint8Array.from([...whole.subarray(0, at), ...whole.subarray(at + 1)]);
  }
}

function changed(whole: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Uint8Array.from(whole);
  copy[at] = value;
  return copy;
}

/** A message inside another: tag, length and content, all three short. */
export function nested(no: number, ...content: readonly number[]): number[] {
  return [(no << 3) | 2, content.length, ...content];
}

/** Whether `read` takes these bytes. When it does, it must give what the generated code gives. */
export function isReadAlike<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  read: (bytes: Uint8Array) => MessageShape<Desc>,
): boolean {
  let message: MessageShape<Desc>;
  try {
    message = read(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedFrameError);
    return false;
  }
  expect(Buffer.from(toBinary(schema, message)).toString("hex")).toBe(
    Buffer.from(toBinary(schema, fromBinary(schema, bytes))).toString("hex"),
  );
  return true;
}
