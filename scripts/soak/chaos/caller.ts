/**
 * A process that calls all the time, some calls with a wait for the result, and writes down what became of each and
 * when. Ends with 0 soon after it was told `stop`.
 */
import { openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { Reseolio, ReseolioError } from "../../../src/sdk/index.ts";
import { type CallerSettings, readSettings } from "../child-settings.ts";

const WAITED = 4;
const FLOWS = 5;

const settings = readSettings<CallerSettings>();
const log = openSync(settings.log, "a");
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const reseolio = new Reseolio({
  address: settings.address,
  autoStart: false,
  workerConcurrency: 0,
  callTimeoutMs: settings.callTimeoutMs,
  logger: quiet,
});
let isStopped = false;
let last = 0;

createInterface({ input: process.stdin })
  .on("line", () => (isStopped = true))
  // A process of the soak does not outlive the one that started it.
  .on("close", () => process.exit(1));
await reseolio.start();
process.stdout.write("ready\n");
await Promise.all(Array.from({ length: settings.lanes }, callUntilStopped));
process.exit(0);

async function callUntilStopped(): Promise<void> {
  while (!isStopped) {
    const number = ++last;
    const functionName = number % FLOWS === 0 ? settings.flowName : settings.functionName;
    const jobId = await enqueue(functionName, `${settings.name}-${number}`);
    if (jobId !== null && number % WAITED === 0) await awaitResult(`${settings.name}-${number}`, jobId);
    await Bun.sleep(settings.pauseMs);
  }
}

async function enqueue(functionName: string, call: string): Promise<string | null> {
  const startedAt = performance.now();
  writeSync(log, `t ${call} ${Date.now()}\n`);
  try {
    const { jobId } = await reseolio.enqueue(functionName, [call]);
    writeSync(log, `a ${call} ${Date.now()} ${elapsed(startedAt)} ${jobId}\n`);
    return jobId;
  } catch (error) {
    writeSync(log, `x ${call} ${Date.now()} ${elapsed(startedAt)} ${codeOf(error)}\n`);
    return null;
  }
}

async function awaitResult(call: string, jobId: string): Promise<void> {
  const startedAt = performance.now();
  const code = await reseolio
    .handle(jobId)
    .result(settings.resultTimeoutMs)
    .then(() => "ok", codeOf);
  writeSync(log, `r ${call} ${Date.now()} ${elapsed(startedAt)} ${code}\n`);
}

function elapsed(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}

function codeOf(error: unknown): string {
  if (error instanceof ReseolioError) return error.code;
  throw error;
}
