import type { RoomOrder } from "../room-order.ts";

export const storageOrder: RoomOrder = { area: "src/daemon/storage", rooms: [] };
