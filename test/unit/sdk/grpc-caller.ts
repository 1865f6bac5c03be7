/**
 * One call over the SDK's bare stream and what came of it. Also a program, for the runtime that the tests do not run on:
 * it is given a file with the options and the calls, and writes what came of them to stdout, all as JSON.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { reseolioErrorFrom } from "../../../src/sdk/transport/connect-errors.ts";
import { createTransport, type TransportOptions } from "../../../src/sdk/transport/transport.ts";

export interface Call {
  readonly path: string;
  /** Sent at once. [none] */
  readonly messages?: readonly string[];
  /** Whether the stream is finished after them. [false] */
  readonly finishes?: boolean;
}

export interface CallResult {
  readonly path: string;
  readonly messages: readonly string[];
  /** Null when the peer ended the stream with OK. */
  readonly fault: { readonly code: string; readonly message: string } | null;
}

/** Makes the calls one after the other, on one transport. */
export async function makeCalls(options: TransportOptions, calls: readonly Call[]): Promise<CallResult[]> {
  const transport = createTransport(options);
  const results: CallResult[] = [];
  for (const { path, messages = [], finishes = false } of calls) {
    const received: string[] = [];
    results.push(
      await new Promise((resolve) => {
        const stream = transport.openStream(path, {
          onMessage: (bytes) => received.push(Buffer.from(bytes).toString()),
          onEnd: (error) => resolve({ path, messages: received, fault: error === null ? null : faultFrom(error) }),
        });
        for (const message of messages) stream.send(Buffer.from(message));
        if (finishes) stream.finish();
      }),
    );
  }
  transport.close();
  return results;
}

function faultFrom(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = reseolioErrorFrom(error);
  return { code, message };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { options, calls } = JSON.parse(await readFile(process.argv[2] ?? "", "utf8"));
  console.log(JSON.stringify(await makeCalls(options, calls)));
}
