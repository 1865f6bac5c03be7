/**
 * Plugin of `buf generate`: writes code that encodes and decodes the hot messages of a session without reflection, on
 * top of `proto/wire/`. The code produces and accepts what `@bufbuild/protobuf` does, and leaves whatever is unusual to
 * that library, such as a field of a later version.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { createEcmaScriptPlugin, runNodeJs } from "@bufbuild/protoplugin";
import { printDecoder } from "./decoder.ts";
import { printEncoder } from "./encoder.ts";
import { FrameFile, hintsOf } from "./frame-file.ts";
import { PACKAGE, STREAM_ENDS, type StreamEnd } from "./hot-messages.ts";

type Schema = Parameters<Parameters<typeof createEcmaScriptPlugin>[0]["generateTs"]>[0];

const plugin = createEcmaScriptPlugin({
  name: "protoc-gen-frames",
  version: "v1",
  generateTs(schema) {
    for (const end of STREAM_ENDS) generateEnd(schema, end);
  },
});

function generateEnd(schema: Schema, end: StreamEnd): void {
  const messages = schema.files.flatMap((file) => file.messages);
  const find = (name: string): DescMessage | undefined =>
    messages.find(({ typeName }) => typeName === `${PACKAGE}.${name}`);
  const encoded = find(end.encodes);
  const decoded = find(end.decodes);
  // The plugin runs once per folder.
  if (encoded === undefined || decoded === undefined) return;
  const output = schema.generateFile(`${PACKAGE.replaceAll(".", "/")}/${end.file}.ts`);
  output.preamble(encoded.file);
  const file = new FrameFile(output);
  printEncoder(file, encoded, hotWithin(encoded));
  printDecoder(file, decoded, hotWithin(decoded));
}

/** The hot messages that a frame can contain, itself first. */
function hotWithin(frame: DescMessage): readonly DescMessage[] {
  const found = new Set([frame]);
  for (const { fields } of found) {
    for (const { message } of fields) if (message !== undefined && hintsOf(message) !== undefined) found.add(message);
  }
  return [...found];
}

runNodeJs(plugin);
