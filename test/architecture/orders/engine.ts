import type { RoomOrder } from "../room-order.ts";

export const engineOrder: RoomOrder = { area: "src/daemon/engine", rooms: [] };
