import type { RoomOrder } from "../room-order.ts";

export const rpcOrder: RoomOrder = {
  area: "src/daemon/rpc",
  rooms: [
    { name: "facts about the daemon", files: /^src\/daemon\/rpc\/daemon-info\.ts$/ },
    { name: "errors", files: /^src\/daemon\/rpc\/errors\// },
    { name: "messages: conversion to and from protobuf", files: /^src\/daemon\/rpc\/messages\// },
    { name: "streams that follow jobs", files: /^src\/daemon\/rpc\/streams\// },
    { name: "unary services", files: /^src\/daemon\/rpc\/services\// },
    { name: "sessions", files: /^src\/daemon\/rpc\/session\// },
    { name: "metrics", files: /^src\/daemon\/rpc\/metrics\// },
    { name: "routes", files: /^src\/daemon\/rpc\/(routes|http-routes)\.ts$/ },
  ],
};
