import type { RoomOrder } from "../room-order.ts";

export const sdkOrder: RoomOrder = { area: "src/sdk", rooms: [] };
