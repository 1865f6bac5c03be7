import type { RoomOrder } from "../room-order.ts";

export const cliOrder: RoomOrder = {
  area: "src/cli",
  rooms: [
    { name: "exit codes and the version", files: /^src\/cli\/(exit|version)\.ts$/ },
    { name: "text: times, durations, IDs, states and JSON as text", files: /^src\/cli\/text\// },
    { name: "terminal: stdout, stderr and signals", files: /^src\/cli\/terminal\// },
    { name: "what a command is", files: /^src\/cli\/command\.ts$/ },
    { name: "flags: what users type", files: /^src\/cli\/flags\// },
    { name: "views: what users see", files: /^src\/cli\/views\// },
    { name: "calls: requests to the daemon", files: /^src\/cli\/calls\// },
    { name: "doctor", files: /^src\/cli\/doctor\// },
    { name: "programs: what reseolio work runs", files: /^src\/cli\/programs\// },
    { name: "help and completion scripts", files: /^src\/cli\/help\// },
    { name: "commands", files: /^src\/cli\/commands\// },
    { name: "the command table and the process", files: /^src\/cli\/(main|run-main)\.ts$/ },
  ],
};
