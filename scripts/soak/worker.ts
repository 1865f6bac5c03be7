/** A worker process whose handlers take a while and write down when they start and end. */
import { openSync, writeSync } from "node:fs";
import { context, Reseolio } from "../../src/sdk/index.ts";
import { endWithParent, readSettings, type WorkerSettings } from "./child-settings.ts";
import { endLine, startLine } from "./execution-log.ts";

const settings = readSettings<WorkerSettings>();
const log = openSync(settings.log, "a");
endWithParent();

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const reseolio = new Reseolio({
  address: settings.address,
  autoStart: false,
  workerConcurrency: settings.concurrency,
  logger: quiet,
});
reseolio.durable(settings.functionName, async () => {
  const { jobId, attempt } = context();
  writeSync(log, startLine(jobId, attempt, process.pid, Date.now()));
  await Bun.sleep(settings.minMs + Math.random() * (settings.maxMs - settings.minMs));
  writeSync(log, endLine(jobId, attempt, process.pid, Date.now()));
});
await reseolio.start();
process.stdout.write("ready\n");
