import { type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** The files and symbols of a set of services, for reflection. */
export class DescriptorIndex {
  /** Full names, in alphabetical order. */
  readonly serviceNames: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.serviceNames = services.map((service) => service.typeName).sort();
    for (const service of services) this.#addFile(service.file);
  }

  findFile(name: string): DescFile | null {
    return this.#files.get(name) ?? null;
  }

  /** @param symbol full name of a message, an enum, a service or a method */
  findFileOf(symbol: string): DescFile | null {
    return this.#symbols.get(symbol) ?? null;
  }

  /** The serialized file, followed by all files that it depends on. */
  withDependencies(file: DescFile): Uint8Array[] {
    const needed = new Set<DescFile>();
    const collect = (one: DescFile): void => {
      if (needed.has(one)) return;
      needed.add(one);
      for (const dependency of one.dependencies) collect(dependency);
    };
    collect(file);
    return [...needed].map((one) => toBinary(FileDescriptorProtoSchema, one.proto));
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const message of file.messages) this.#addMessage(message, file);
    for (const one of file.enums) this.#symbols.set(one.typeName, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const method of service.methods) this.#symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const dependency of file.dependencies) this.#addFile(dependency);
  }

  #addMessage(message: DescMessage, file: DescFile): void {
    this.#symbols.set(message.typeName, file);
    for (const one of message.nestedEnums) this.#symbols.set(one.typeName, file);
    for (const nested of message.nestedMessages) this.#addMessage(nested, file);
  }
}
