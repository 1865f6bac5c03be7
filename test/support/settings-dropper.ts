import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface SettingsDropper extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
}

/**
 * A way to a PostgreSQL server that keeps who one is and where one goes, and drops the settings that a session asks for
 * when it begins, or refuses the session: the two ways of poolers of transactions.
 */
export async function startSettingsDropper(port: number, way: "drops" | "refuses" = "drops"): Promise<SettingsDropper> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => (client.destroy(), upstream.destroy()));
    }
    let start = Buffer.alloc(0);
    const onStart = (data: Buffer): void => {
      start = Buffer.concat([start, data]);
      if (start.length < 4 || start.length < start.readUInt32BE(0)) return;
      client.off("data", onStart);
      const kept = withoutSettings(start);
      if (way === "refuses" && kept.length < start.length)
        return void client.end(refusal("unsupported startup parameter"));
      upstream.write(kept);
      client.pipe(upstream);
    };
    client.on("data", onStart);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const KEPT = new Set(["user", "database", "client_encoding", "application_name"]);
const HEAD_BYTES = 8;

/** Of a StartupMessage: length, version, then names and values that end with a zero each, and one more zero. */
function withoutSettings(message: Buffer): Buffer {
  const words = message.toString("latin1", HEAD_BYTES).split("\0");
  const pairs: string[] = [];
  for (let place = 0; place + 1 < words.length; place += 2) {
    if (KEPT.has(words[place]!)) pairs.push(`${words[place]}\0${words[place + 1]}\0`);
  }
  const body = Buffer.from(`${pairs.join("")}\0`, "latin1");
  const head = Buffer.from(message.subarray(0, HEAD_BYTES));
  head.writeUInt32BE(HEAD_BYTES + body.length);
  return Buffer.concat([head, body]);
}

function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`, "latin1");
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeUInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}
