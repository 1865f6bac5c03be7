import { connect } from "node:net";
import type { Socket } from "node:net";

/** A connection of bytes, for saying what no HTTP client would. */
export interface RawSocket extends Disposable {
  readonly socket: Socket;
  /** All bytes received so far, as text. */
  readonly received: string;
  /** When the other side closed, in milliseconds since the connection was open. */
  readonly closed: Promise<number>;
  write(text: string | Uint8Array): void;
  /** Resolves when the bytes received contain the text. */
  saw(text: string): Promise<void>;
}

export function openRawSocket(port: number): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(record(socket));
    });
  });
}

function record(socket: Socket): RawSocket {
  const openedAt = performance.now();
  let received = "";
  const onData = new Set<() => void>();
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    for (const listener of onData) listener();
  });
  const closed = new Promise<number>((resolve) => {
    socket.once("close", () => resolve(performance.now() - openedAt));
  });
  return {
    socket,
    closed,
    get received() {
      return received;
    },
    write: (text) => {
      if (!socket.destroyed) socket.write(text);
    },
    saw: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!received.includes(text)) return;
          onData.delete(look);
          resolve();
        };
        onData.add(look);
        look();
      }),
    [Symbol.dispose]: () => socket.destroy(),
  };
}
