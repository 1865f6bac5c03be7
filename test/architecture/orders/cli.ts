import type { RoomOrder } from "../room-order.ts";

export const cliOrder: RoomOrder = { area: "src/cli", rooms: [] };
