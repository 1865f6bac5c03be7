import type { RoomOrder } from "../room-order.ts";

export const rpcOrder: RoomOrder = { area: "src/daemon/rpc", rooms: [] };
