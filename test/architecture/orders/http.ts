import type { RoomOrder } from "../room-order.ts";

/** One room: only circles can be found in it. */
export const httpOrder: RoomOrder = {
  area: "src/daemon/http",
  rooms: [{ name: "HTTP", files: /^src\/daemon\/http\// }],
};
