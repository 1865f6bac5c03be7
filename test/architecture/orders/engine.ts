import type { RoomOrder } from "../room-order.ts";

export const engineOrder: RoomOrder = {
  area: "src/daemon/engine",
  rooms: [
    { name: "dispatch", files: /\/engine\/dispatch\// },
    { name: "lane", files: /\/engine\/lane\// },
    // What the engine remembers of its schedules: a part of it, as the lane is.
    { name: "schedule watch", files: /\/engine\/schedules\/schedule-watch\.ts$/ },
    { name: "the engine's parts", files: /\/engine\/engine\.ts$/ },
    { name: "workflows", files: /\/engine\/workflows\// },
    { name: "jobs", files: /\/engine\/jobs\// },
    { name: "workers", files: /\/engine\/workers\// },
    { name: "schedules", files: /\/engine\/schedules\// },
    { name: "cluster", files: /\/engine\/cluster\// },
    { name: "clock", files: /\/engine\/clock\// },
    { name: "explain", files: /\/engine\/explain\// },
    { name: "composition", files: /\/engine\/create-engine\.ts$/ },
  ],
};

/** One room each: only circles can be found there. */
export const coreOrder: RoomOrder = {
  area: "src/daemon/core",
  rooms: [{ name: "core", files: /\/core\// }],
};

export const loopsOrder: RoomOrder = {
  area: "src/daemon/loops",
  rooms: [{ name: "loops", files: /\/loops\// }],
};
