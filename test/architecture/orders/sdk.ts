import type { RoomOrder } from "../room-order.ts";

export const sdkOrder: RoomOrder = {
  area: "src/sdk",
  rooms: [
    { name: "errors, logging and JSON", files: /^src\/sdk\/(errors|logger|serialization|serialized|version)\.ts$/ },
    { name: "options", files: /^src\/sdk\/options\// },
    {
      name: "what users name: handles, details, queries, events, the context",
      files: /^src\/sdk\/((job|schedule)-(details|handle|query)|sent-messages|events|context)\.ts$/,
    },
    { name: "transport", files: /^src\/sdk\/transport\// },
    { name: "sidecar", files: /^src\/sdk\/sidecar\// },
    { name: "session", files: /^src\/sdk\/session\// },
    { name: "replay", files: /^src\/sdk\/replay\// },
    { name: "workflow", files: /^src\/sdk\/workflow\// },
    { name: "worker", files: /^src\/sdk\/worker\// },
    { name: "calls", files: /^src\/sdk\/calls\// },
    {
      name: "the client",
      files: /^src\/sdk\/(client-events|connection|durable-function|index|lifecycle|reseolio|reseolio-options)\.ts$/,
    },
  ],
};
