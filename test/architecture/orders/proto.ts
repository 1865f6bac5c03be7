import type { RoomOrder } from "../room-order.ts";

export const protoOrder: RoomOrder = {
  area: "proto",
  rooms: [
    { name: "rules that both sides share", files: /^proto\/[^/]+\.ts$/ },
    { name: "wire format", files: /^proto\/wire\// },
    { name: "code generator", files: /^proto\/plugin\// },
  ],
};
