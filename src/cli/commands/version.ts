import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { VERSION } from "../version.ts";

export const version = defineCommand({
  meta: { name: "version", description: "Print the version of this executable." },
  args: { json: FORMAT_FLAGS.json },
  examples: [
    { command: "reseolio version", does: "same as reseolio --version and reseolio -V" },
    { command: "reseolio version --json", does: "with the runtime and the platform" },
  ],
  run({ flags, output }) {
    if (!flags.json) return output.text(`${VERSION}\n`);
    return output.document({ version: VERSION, bun: Bun.version, platform: `${process.platform}-${process.arch}` });
  },
});
