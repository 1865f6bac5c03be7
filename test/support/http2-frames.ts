/** HTTP/2 frames by hand, for what no client library would send. */

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const SETTINGS = 0x4;
const HEADERS = 0x1;
const RST_STREAM = 0x3;
const END_HEADERS = 0x4;

export function settingsFrame(): Buffer {
  return frame(SETTINGS, 0, 0, Buffer.alloc(0));
}

/** Opens a POST whose body is still to come. Headers are literals without indexing. */
export function headersFrame(streamId: number, authority: string, path: string): Buffer {
  const headers = [
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", authority],
    [":path", path],
    ["content-type", "application/grpc"],
  ] as const;
  const block = headers.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)]));
  return frame(HEADERS, END_HEADERS, streamId, Buffer.concat(block));
}

export function resetFrame(streamId: number, code = 8): Buffer {
  return frame(RST_STREAM, 0, streamId, Buffer.from([0, 0, 0, code]));
}

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
}
