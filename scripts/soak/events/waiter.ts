/** A worker process whose handlers wait for one event each and write down what they were told. */
import { openSync, writeSync } from "node:fs";
import { context, EventTimeoutError, Reseolio } from "../../../src/sdk/index.ts";
import { endWithParent, readSettings, type WaiterSettings } from "../child-settings.ts";

const settings = readSettings<WaiterSettings>();
const log = openSync(settings.log, "a");
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
endWithParent();

const reseolio = new Reseolio({
  address: settings.address,
  autoStart: false,
  // The daemon may be killed again before this worker connects.
  connectTimeoutMs: 120_000,
  // Far fewer than there are waits: they hold no slots.
  workerConcurrency: settings.concurrency,
  logger: quiet,
});
reseolio.durable(
  settings.functionName,
  async (eventName: string, timeoutMs: number | null): Promise<unknown> => {
    const told = await context()
      .awaitEvent<string>(eventName, timeoutMs === null ? {} : { timeoutMs })
      .catch(nullWhenLate);
    writeSync(log, `${context().jobId} ${told ?? "late"}\n`);
    return told;
  },
  { maxAttempts: 1, timeoutMs: 0 },
);
await reseolio.start();
process.stdout.write("ready\n");

function nullWhenLate(error: unknown): null {
  if (error instanceof EventTimeoutError) return null;
  throw error;
}
