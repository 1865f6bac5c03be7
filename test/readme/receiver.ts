import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What a request gets: a status, and perhaps a length to wait. */
export interface Answer {
  readonly status: number;
  readonly retryAfterSeconds?: number;
  readonly body?: string;
}

/** One request as it came in. */
export interface Received {
  /** The body, or the path when there is none. */
  readonly text: string;
  readonly key: string | undefined;
  readonly at: number;
}

/** A real HTTP server on a free port, gone at the end of the block. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** Ends when this many requests have come in. */
  waitFor(count: number): Promise<void>;
}

/** @param answer called with each request and how often the same text came before */
export async function startReceiver(answer: (text: string, before: number) => Answer): Promise<Receiver> {
  const received: Received[] = [];
  const waiters: { readonly count: number; readonly resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString() || (request.url ?? "");
      const before = received.filter((one) => one.text === text).length;
      received.push({ text, key: request.headers["idempotency-key"] as string | undefined, at: performance.now() });
      const { status, retryAfterSeconds, body = "" } = answer(text, before);
      response.writeHead(status, retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) });
      response.end(body);
      for (const { count, resolve } of waiters) if (received.length >= count) resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    waitFor: (count) =>
      received.length >= count ? Promise.resolve() : new Promise((resolve) => waiters.push({ count, resolve })),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
