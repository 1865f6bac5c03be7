import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { createImportSymbol, type GeneratedFile, type Printable } from "@bufbuild/protoplugin";
import { HOT_MESSAGES, type HotMessage, PACKAGE } from "./hot-messages.ts";

/** Paths from the folder of the generated code. */
const CONTRACT = "./../contract.ts";
const READER = "./../wire/reader.ts";
const WRITER = "./../wire/writer.ts";

/** A generated file, with the symbols that its code imports. */
export class FrameFile {
  readonly #file: GeneratedFile;

  constructor(file: GeneratedFile) {
    this.#file = file;
  }

  /** Prints a line: a tag for a template. */
  print(fragments: TemplateStringsArray, ...values: readonly Printable[]): void {
    this.#file.print(fragments, ...values);
  }

  /** The type of a message. */
  shape(message: DescMessage): Printable {
    return this.#file.importShape(message);
  }

  /** What the library needs to encode or decode a message. */
  schema(message: DescMessage): Printable {
    return this.#file.importSchema(message);
  }

  library(name: "toBinary" | "fromBinary"): Printable {
    return createImportSymbol(name, "@bufbuild/protobuf");
  }

  readMessage(): Printable {
    return createImportSymbol("readMessage", READER);
  }

  noBytes(): Printable {
    return createImportSymbol("NO_BYTES", CONTRACT);
  }

  readerType(): Printable {
    return createImportSymbol("WireReader", READER, true);
  }

  writer(): Printable {
    return createImportSymbol("WireWriter", WRITER);
  }
}

/** What is known about a message that has generated code; undefined for one that the library handles. */
export function hintsOf({ file, name }: DescMessage): HotMessage | undefined {
  return file.proto.package === PACKAGE && Object.hasOwn(HOT_MESSAGES, name) ? HOT_MESSAGES[name] : undefined;
}

export function byNumber({ fields }: DescMessage): readonly DescField[] {
  return fields.toSorted((one, other) => one.number - other.number);
}

/** @throws Error that says what to do about a kind of field that this plugin cannot generate code for */
export function unsupported({ parent, name }: DescField): Error {
  return new Error(`no code for the kind of ${parent.name}.${name}: add it to proto/plugin/ and proto/wire/`);
}
