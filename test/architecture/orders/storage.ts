import type { RoomOrder } from "../room-order.ts";

const storage = "src/daemon/storage";

export const storageOrder: RoomOrder = {
  area: storage,
  rooms: [
    { name: "seam", files: /\/storage\/seam\// },
    { name: "rows", files: /\/storage\/rows\// },
    { name: "copy", files: /\/storage\/copy\// },
    {
      name: "what both stores build on",
      files: /\/storage\/(guard|migrate|open-transaction|open-with-retry|sql-text\.d)\.ts$/,
    },
    { name: "sqlite/connection", files: /\/sqlite\/connection\// },
    { name: "sqlite/migrations", files: /\/sqlite\/migrations\// },
    { name: "sqlite/opening", files: /\/sqlite\/opening\// },
    { name: "sqlite/session", files: /\/sqlite\/session\// },
    { name: "sqlite/workers", files: /\/sqlite\/workers\// },
    { name: "sqlite/schedules", files: /\/sqlite\/schedules\// },
    { name: "sqlite/workflows", files: /\/sqlite\/workflows\// },
    { name: "sqlite/jobs", files: /\/sqlite\/jobs\// },
    { name: "sqlite", files: /\/sqlite\/[^/]+$/ },
    { name: "sqlite/maintenance", files: /\/sqlite\/maintenance\// },
    { name: "postgres/connection", files: /\/postgres\/connection\// },
    { name: "postgres/cluster", files: /\/postgres\/cluster\// },
    { name: "postgres/migrations", files: /\/postgres\/migrations\// },
    { name: "postgres/opening", files: /\/postgres\/opening\// },
    { name: "postgres/session", files: /\/postgres\/session\// },
    { name: "postgres/workers", files: /\/postgres\/workers\// },
    { name: "postgres/schedules", files: /\/postgres\/schedules\// },
    { name: "postgres/workflows", files: /\/postgres\/workflows\// },
    { name: "postgres/jobs", files: /\/postgres\/jobs\// },
    { name: "postgres", files: /\/postgres\/[^/]+$/ },
    { name: "postgres/maintenance", files: /\/postgres\/maintenance\// },
    { name: "opening", files: /\/storage\/open-(store|maintenance)\.ts$/ },
  ],
};
