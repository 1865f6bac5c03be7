/** A process with clients that enqueue numbered jobs as fast as they are acknowledged, and write down both. */
import { openSync, writeSync } from "node:fs";
import { Reseolio } from "../../src/sdk/index.ts";
import { type ClientSettings, endWithParent, readSettings } from "./child-settings.ts";
import { acknowledgedLine, triedLine } from "./enqueue-log.ts";

const settings = readSettings<ClientSettings>();
const log = openSync(settings.log, "a");
endWithParent();
await Promise.all(settings.clients.map(enqueueNumbered));
process.exit(0);

async function enqueueNumbered(client: string): Promise<void> {
  const reseolio = new Reseolio({ address: settings.address, autoStart: false, workerConcurrency: 0 });
  await reseolio.start();
  let last = 0;
  const lane = async (): Promise<void> => {
    while (settings.count === null || last < settings.count) {
      const number = ++last;
      writeSync(log, triedLine(client, number));
      const job = await reseolio.enqueue(settings.functionName, [client, number]);
      writeSync(log, acknowledgedLine(client, number, job.jobId));
      if (settings.pauseMs !== undefined) await Bun.sleep(settings.pauseMs);
    }
  };
  await Promise.all(Array.from({ length: settings.inFlight }, lane));
  await reseolio.stop();
}
