import type { Flags } from "../command.ts";

export const FORMAT_FLAGS = {
  json: { type: "boolean", description: "One JSON document; errors too, on stderr" },
  jsonl: { type: "boolean", description: "One JSON object a line" },
  quiet: { type: "boolean", alias: "q", description: "Only ids, one per line" },
  raw: { type: "boolean", description: "Do not neutralise control characters in text" },
} as const satisfies Flags;
