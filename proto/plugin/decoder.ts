/** Code that decodes a frame: two functions per message, one of which is the switch over its fields. */
import { type DescField, type DescMessage, fromJson, type Message, ScalarType, toBinary } from "@bufbuild/protobuf";
import type { Printable } from "@bufbuild/protoplugin";
import { DELIMITED, tag, VARINT } from "../wire/writer.ts";
import { byNumber, type FrameFile, hintsOf, unsupported } from "./frame-file.ts";

export function printDecoder(file: FrameFile, frame: DescMessage, messages: readonly DescMessage[]): void {
  printFrame(file, frame);
  for (const message of messages) {
    printMessage(file, message, message === frame);
    printFieldSwitch(file, message);
  }
}

function printFrame(file: FrameFile, frame: DescMessage): void {
  file.print`/**`;
  file.print` * Returns what \`fromBinary\` returns. Fields of bytes are views of \`bytes\`, which must not change any more and stay`;
  file.print` * in memory as long as one of the views does. Usual values may be one frozen object.`;
  file.print` *`;
  file.print` * @throws MalformedFrameError`;
  file.print` */`;
  file.print`export function decode${frame.name}(bytes: Uint8Array): ${file.shape(frame)} {`;
  file.print`  return ${file.readMessage()}(${file.schema(frame)}, bytes, read${frame.name});`;
  file.print`}`;
  file.print``;
}

function printMessage(file: FrameFile, message: DescMessage, isFrame: boolean): void {
  const usual = hintsOf(message)?.usual;
  const decoded = usual === undefined ? undefined : fromJson(message, usual);
  if (decoded !== undefined) printUsual(file, message, decoded);
  file.print`function read${message.name}(reader: ${file.readerType()}): ${file.shape(message)} {`;
  if (decoded !== undefined)
    file.print`  if (reader.skip(USUAL_${constantName(message)}_BYTES)) return USUAL_${constantName(message)};`;
  if (!isFrame) file.print`  const outer = reader.enter();`;
  file.print`  const message: ${file.shape(message)} = ${literal(file, message)};`;
  file.print`  while (!reader.isAtEnd) read${message.name}Field(reader, message);`;
  if (!isFrame) file.print`  reader.leave(outer);`;
  file.print`  return message;`;
  file.print`}`;
  file.print``;
}

function printUsual(file: FrameFile, message: DescMessage, usual: Message): void {
  const name = constantName(message);
  const bytes = encodedWithLength(message, usual);
  file.print`const USUAL_${name}: ${file.shape(message)} = ${frozen(file, message, usual)};`;
  file.print``;
  file.print`const USUAL_${name}_BYTES = [${bytes.join(", ")}];`;
  file.print``;
}

/** With the length in front, which is one byte here. */
function encodedWithLength(message: DescMessage, value: Message): readonly number[] {
  const bytes = toBinary(message, value);
  if (bytes.length > 0x7f)
    throw new Error(`the usual ${message.name} is ${bytes.length} bytes long; at most 127 are supported`);
  return [bytes.length, ...bytes];
}

function printFieldSwitch(file: FrameFile, message: DescMessage): void {
  file.print`function read${message.name}Field(reader: ${file.readerType()}, message: ${file.shape(message)}): void {`;
  file.print`  switch (reader.tag()) {`;
  for (const field of byNumber(message)) {
    file.print`    case ${tag(field.number, wireType(field))}: // field ${field.number}`;
    for (const statement of decodeField(file, field)) file.print`      ${statement}`;
    file.print`      return;`;
  }
  file.print`    default:`;
  file.print`      reader.giveUp();`;
  file.print`  }`;
  file.print`}`;
  file.print``;
}

function wireType(field: DescField): typeof VARINT | typeof DELIMITED {
  const isNumber =
    field.fieldKind === "enum" ||
    (field.fieldKind === "scalar" && (field.scalar === ScalarType.UINT32 || field.scalar === ScalarType.BOOL));
  return isNumber ? VARINT : DELIMITED;
}

/** Statements, each as what is printed on its line. */
function decodeField(file: FrameFile, field: DescField): readonly Printable[] {
  const target = `message.${field.localName}`;
  if (field.oneof !== undefined) {
    const union = `message.${field.oneof.localName}`;
    const value = field.fieldKind === "message" ? decodeMessage(file, field) : readValue(field);
    return [
      // The library merges a message that comes twice.
      [`if (${union}.case !== undefined) return reader.giveUp();`],
      [union, ` = { case: ${JSON.stringify(field.localName)}, value: `, value, " };"],
    ];
  }
  switch (field.fieldKind) {
    case "scalar":
    case "enum":
      return [[target, " = ", readValue(field), ";"]];
    case "message":
      return [
        [`if (${target} !== undefined) return reader.giveUp();`],
        [target, " = ", decodeMessage(file, field), ";"],
      ];
    case "map":
      return [[`reader.textEntry(${target});`]];
    case "list":
      return [decodeItem(file, field, target)];
  }
}

function decodeItem(file: FrameFile, field: DescField & { fieldKind: "list" }, target: string): Printable {
  if (field.listKind === "message") return [target, ".push(", decodeMessage(file, field), ");"];
  if (field.listKind === "enum" && field.packed) return [`reader.packed(${target});`];
  if (field.scalar === ScalarType.STRING) return [`${target}.push(reader.text());`];
  throw unsupported(field);
}

function decodeMessage(file: FrameFile, field: DescField): Printable {
  const { message } = field;
  if (message === undefined) throw unsupported(field);
  if (hintsOf(message) !== undefined) return [`read${message.name}(reader)`];
  return [file.library("fromBinary"), "(", file.schema(message), ", reader.bytes())"];
}

function readValue(field: DescField): string {
  if (field.fieldKind === "enum") return "reader.enum()";
  if (field.fieldKind !== "scalar") throw unsupported(field);
  switch (field.scalar) {
    case ScalarType.UINT32:
      return "reader.number()";
    case ScalarType.BOOL:
      return "reader.flag()";
    case ScalarType.BYTES:
      return "reader.bytes()";
    case ScalarType.STRING:
      return hintsOf(field.parent)?.repeated?.includes(field.name) === true ? "reader.name()" : "reader.text()";
    default:
      throw unsupported(field);
  }
}

/** A message without any field that was sent, as an object literal. */
function literal(file: FrameFile, message: DescMessage): Printable {
  const fields = message.members.flatMap((member): Printable[] => {
    if (member.kind === "oneof") return [[",\n    ", member.localName, ": { case: undefined }"]];
    const zero = zeroLiteral(file, member);
    return zero === undefined ? [] : [[",\n    ", member.localName, ": ", zero]];
  });
  return ["{\n    $typeName: ", JSON.stringify(message.typeName), ...fields, ",\n  }"];
}

/** A value as an object literal whose objects are all frozen. Fields are zero but for members of a oneof. */
function frozen(file: FrameFile, message: DescMessage, value: Message): Printable {
  const fields = message.members.map((member): Printable => {
    if (member.kind === "field") return [", ", member.localName, ": ", zeroLiteral(file, member) ?? "undefined"];
    const union = Reflect.get(value, member.localName) as { readonly case?: string; readonly value?: Message };
    const chosen = member.fields.find(({ localName }) => localName === union.case)?.message;
    if (chosen === undefined || union.value === undefined)
      throw new Error(`the usual ${message.name} is not a message`);
    const text = ["{ case: ", JSON.stringify(union.case), ", value: ", frozen(file, chosen, union.value), " }"];
    return [", ", member.localName, ": Object.freeze(", ...text, ")"];
  });
  return ["Object.freeze({ $typeName: ", JSON.stringify(message.typeName), ...fields, " })"];
}

/** Undefined for a field that is absent until it is sent. */
function zeroLiteral(file: FrameFile, field: DescField): Printable | undefined {
  if (field.fieldKind === "list") return "[]";
  if (field.fieldKind === "map") return "{}";
  if (field.fieldKind === "message" || field.proto.proto3Optional) return undefined;
  if (field.fieldKind === "enum") return "0";
  switch (field.scalar) {
    case ScalarType.STRING:
      return '""';
    case ScalarType.BOOL:
      return "false";
    case ScalarType.BYTES:
      return file.noBytes();
    default:
      return "0";
  }
}

function constantName({ name }: DescMessage): string {
  return name.replaceAll(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase();
}
