/** Code that encodes a frame: one function per message, fields in the order of their numbers. */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Printable } from "@bufbuild/protoplugin";
import { byNumber, type FrameFile, hintsOf, unsupported } from "./frame-file.ts";

export function printEncoder(file: FrameFile, frame: DescMessage, messages: readonly DescMessage[]): void {
  file.print`/** One is enough: a frame is encoded in one go. */`;
  file.print`const writer = /* @__PURE__ */ new ${file.writer()}();`;
  file.print``;
  printFrame(file, frame);
  for (const message of messages) if (message !== frame) printMessage(file, message, numberOf(message, messages));
  for (const field of messages.flatMap(memoizedFields)) printMemo(file, field);
}

function printFrame(file: FrameFile, frame: DescMessage): void {
  file.print`/**`;
  file.print` * Returns the bytes that \`toBinary\` returns, in an array that belongs to the caller.`;
  file.print` *`;
  file.print` * @throws RangeError for a number that is not a uint32, naming its field`;
  file.print` */`;
  file.print`export function encode${frame.name}(message: ${file.shape(frame)}): Uint8Array<ArrayBuffer> {`;
  file.print`  writer.clear();`;
  printFields(file, frame);
  file.print`  return writer.finish();`;
  file.print`}`;
  file.print``;
}

/** The number of the field that holds a message: a constant in its function is faster than an argument. */
function numberOf(message: DescMessage, messages: readonly DescMessage[]): number {
  const numbers = messages.flatMap(({ fields }) => fields).filter((field) => field.message === message);
  const [first, ...others] = new Set(numbers.map((field) => field.number));
  if (first === undefined || others.length > 0) throw new Error(`${message.name} is not in fields of one number`);
  return first;
}

function printMessage(file: FrameFile, message: DescMessage, no: number): void {
  file.print`function encode${message.name}(message: ${file.shape(message)}): void {`;
  file.print`  const mark = writer.begin(${no});`;
  printFields(file, message);
  file.print`  writer.end(mark);`;
  file.print`}`;
  file.print``;
}

function printFields(file: FrameFile, message: DescMessage): void {
  let previous: DescField | undefined;
  for (const field of byNumber(message)) {
    const isNextMember = field.oneof !== undefined && field.oneof === previous?.oneof;
    file.print`  ${isNextMember ? "else " : ""}${encodeField(file, field)}`;
    previous = field;
  }
  file.print`  writer.unknown(message.$unknown);`;
}

function encodeField(file: FrameFile, field: DescField): Printable {
  const value = `message.${field.localName}`;
  if (field.oneof !== undefined) return encodeMember(file, field);
  switch (field.fieldKind) {
    case "scalar":
    case "enum":
      return `writer.${writeValue(field)}(${field.number}, ${value});`;
    case "message":
      return ["if (", value, " !== undefined) ", encodeMessage(file, field, value)];
    case "map":
      if (field.mapKey !== ScalarType.STRING || field.scalar !== ScalarType.STRING) throw unsupported(field);
      return `writer.textMap(${field.number}, ${value});`;
    case "list":
      return encodeList(file, field, value);
  }
}

function encodeList(file: FrameFile, field: DescField & { fieldKind: "list" }, value: string): Printable {
  if (field.listKind === "message") {
    return ["for (const item of ", value, ") ", encodeMessage(file, field, "item")];
  }
  if (field.listKind === "enum" && field.packed) return `writer.packed(${field.number}, ${value});`;
  if (field.scalar === ScalarType.STRING) return `writer.texts(${field.number}, ${value});`;
  throw unsupported(field);
}

/** A member of a oneof, which is written also when it is zero or empty. */
function encodeMember(file: FrameFile, field: DescField): Printable {
  const union = `message.${field.oneof?.localName}`;
  const start = `if (${union}.case === ${JSON.stringify(field.localName)}) `;
  if (field.fieldKind === "message") return [start, encodeMessage(file, field, `${union}.value`)];
  if (field.fieldKind !== "scalar" || field.scalar !== ScalarType.BYTES) throw unsupported(field);
  return [start, `writer.member(${field.number}, ${union}.value);`];
}

function encodeMessage(file: FrameFile, field: DescField, value: string): Printable {
  const { message, number } = field;
  if (message === undefined) throw unsupported(field);
  if (hintsOf(message) !== undefined) return `encode${message.name}(${value});`;
  if (memoizedFields(field.parent).includes(field))
    return `writer.member(${number}, encoded${message.name}(${value}));`;
  return ["writer.member(", number, ", ", file.library("toBinary"), "(", file.schema(message), ", ", value, "));"];
}

/** The writer's method for a field that is one value. */
function writeValue(field: DescField & { fieldKind: "scalar" | "enum" }): string {
  const isNumber = field.fieldKind === "enum" || field.scalar === ScalarType.UINT32;
  if (isOptional(field)) {
    if (isNumber) return "optional";
    throw unsupported(field);
  }
  if (isNumber) return "number";
  switch (field.scalar) {
    case ScalarType.BOOL:
      return "flag";
    case ScalarType.STRING:
      return "text";
    case ScalarType.BYTES:
      return "bytes";
    default:
      throw unsupported(field);
  }
}

function isOptional({ proto }: DescField): boolean {
  return proto.proto3Optional;
}

function memoizedFields(message: DescMessage): readonly DescField[] {
  const names = hintsOf(message)?.memoized ?? [];
  return message.fields.filter(({ name }) => names.includes(name));
}

function printMemo(file: FrameFile, { message }: DescField): void {
  if (message === undefined) return;
  const { name } = message;
  file.print`/** Many messages share one object, which does not change. */`;
  file.print`const bytesOf${name} = new WeakMap<${file.shape(message)}, Uint8Array>();`;
  file.print``;
  file.print`function encoded${name}(message: ${file.shape(message)}): Uint8Array {`;
  file.print`  let bytes = bytesOf${name}.get(message);`;
  file.print`  if (bytes === undefined) {`;
  file.print`    bytes = ${file.library("toBinary")}(${file.schema(message)}, message);`;
  file.print`    bytesOf${name}.set(message, bytes);`;
  file.print`  }`;
  file.print`  return bytes;`;
  file.print`}`;
  file.print``;
}
