import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Random } from "./seeded-random.ts";

/** What the network does to bytes on their way. */
export interface NetworkFaults {
  /** Added to each piece of bytes, each way. [0] */
  readonly latencyMs?: number;
  /** Probability that a piece from the daemon is not delivered and its connection is cut instead. [0] */
  readonly cutReplies?: number;
  /** Connections stay open and carry nothing any more, like a cable that was pulled. [false] */
  readonly isBlackHole?: boolean;
  /** New connections are refused by being closed at once. [false] */
  readonly isDown?: boolean;
}

/** A network between a client and a daemon that fails when told. `await using` closes it with all its connections. */
export interface CuttingProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`, what the client is given. */
  readonly address: string;
  /** Connections cut instead of delivering what the daemon said. */
  readonly cuts: number;
  /** Replaces all faults. Connections that lost bytes in a black hole are closed when it ends, as TCP would. */
  set(faults: NetworkFaults): void;
  /** Cuts every connection now; new ones are welcome. */
  cutAll(): void;
}

/** @param target `host:port` of the daemon */
export async function startCuttingProxy(
  target: string,
  random: Random,
  faults: NetworkFaults = {},
): Promise<CuttingProxy> {
  const proxy = new Proxy(target, random, faults);
  await proxy.listen();
  return proxy;
}

class Proxy implements CuttingProxy {
  cuts = 0;
  address = "";
  readonly #target: { readonly host: string; readonly port: number };
  readonly #random: Random;
  readonly #links = new Set<Link>();
  readonly #server: Server;
  #faults: NetworkFaults;

  constructor(target: string, random: Random, faults: NetworkFaults) {
    const [host = "", port] = target.split(":");
    this.#target = { host, port: Number(port) };
    this.#random = random;
    this.#faults = faults;
    this.#server = createServer((downstream) => this.#accept(downstream));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", () => {
        this.address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
        resolve();
      });
    });
  }

  set(faults: NetworkFaults): void {
    this.#faults = faults;
    if (faults.isDown === true) this.cutAll();
    for (const link of this.#links) if (link.lostBytes && faults.isBlackHole !== true) link.cut();
  }

  cutAll(): void {
    for (const link of this.#links) link.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cutAll();
    await closed;
  }

  #accept(downstream: Socket): void {
    if (this.#faults.isDown === true) {
      downstream.destroy();
      return;
    }
    const link = new Link(downstream, connect({ ...this.#target, noDelay: true }), (gone) => this.#links.delete(gone));
    this.#links.add(link);
    link.downstream.on("data", (bytes: Buffer) => this.#carry(link, link.upstream, bytes));
    link.upstream.on("data", (bytes: Buffer) => this.#carryReply(link, bytes));
  }

  #carryReply(link: Link, bytes: Buffer): void {
    const { cutReplies = 0, isBlackHole = false } = this.#faults;
    if (isBlackHole || cutReplies === 0 || this.#random.next() >= cutReplies) {
      this.#carry(link, link.downstream, bytes);
      return;
    }
    this.cuts++;
    link.cut();
  }

  #carry(link: Link, to: Socket, bytes: Buffer): void {
    const { latencyMs = 0, isBlackHole = false } = this.#faults;
    if (isBlackHole) link.lostBytes = true;
    else if (latencyMs === 0) to.write(bytes);
    else setTimeout(() => to.write(bytes), latencyMs);
  }
}

/** One connection of the client, and the one to the daemon that stands behind it. */
class Link {
  lostBytes = false;

  constructor(
    readonly downstream: Socket,
    readonly upstream: Socket,
    onGone: (link: Link) => void,
  ) {
    downstream.setNoDelay(true);
    for (const socket of [downstream, upstream]) {
      // The end of either side is the end of both; which fault it was does not matter here.
      socket.on("error", () => {});
      socket.on("close", () => {
        this.cut();
        onGone(this);
      });
    }
  }

  cut(): void {
    this.downstream.destroy();
    this.upstream.destroy();
  }
}
