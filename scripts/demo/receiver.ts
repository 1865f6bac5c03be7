import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as the receiver saw it. */
export interface Delivery {
  readonly webhook: string;
  /** The attempt number that the application sent along. */
  readonly attempt: number;
  /** 200 delivered, 503 refused. */
  readonly status: number;
}

/** Somebody else's HTTP endpoint: refuses the first requests of each webhook, then accepts. */
export interface Receiver {
  readonly url: string;
  /** In the order of arrival; a request is in it before it is answered. */
  readonly log: readonly Delivery[];
  close(): void;
}

/** Long enough that a kill can hit a request that is under way. */
const ANSWER_AFTER_MS = 150;

/** `refusals`: how many requests of each webhook get 503. `onDelivery` is called before the answer goes out. */
export async function startReceiver(
  refusals: ReadonlyMap<string, number>,
  onDelivery: (delivery: Delivery) => void,
): Promise<Receiver> {
  const log: Delivery[] = [];
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const delivery = judge(body, log, refusals);
      log.push(delivery);
      onDelivery(delivery);
      setTimeout(() => answer(response, delivery.status), ANSWER_AFTER_MS);
    });
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/webhooks`,
    log,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function judge(body: string, log: readonly Delivery[], refusals: ReadonlyMap<string, number>): Delivery {
  const { webhook, attempt } = JSON.parse(body) as { webhook: string; attempt: number };
  const seen = log.filter((earlier) => earlier.webhook === webhook).length;
  return { webhook, attempt, status: seen < (refusals.get(webhook) ?? 0) ? 503 : 200 };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The client may have been killed meanwhile. */
function answer(response: ServerResponse, status: number): void {
  if (response.destroyed) return;
  response.writeHead(status).end();
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
}
