import type { Flags } from "../command.ts";

export const FORMAT_FLAGS = {
  json: { type: "boolean", description: "Print one JSON document; errors on stderr are JSON, too" },
  jsonl: { type: "boolean", description: "Print one JSON object per line" },
  quiet: { type: "boolean", alias: "q", description: "Print only IDs, one per line" },
  raw: { type: "boolean", description: "Do not escape control characters in text" },
} as const satisfies Flags;
