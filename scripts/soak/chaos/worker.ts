/**
 * A worker of chaos: short jobs, and workflows of two steps, a sleep, a child and one more step. Both write down what
 * they do, when they do it.
 */
import { openSync, writeSync } from "node:fs";
import { context, Reseolio } from "../../../src/sdk/index.ts";
import { endWithParent, type FlowWorkerSettings, readSettings } from "../child-settings.ts";
import { endLine, startLine } from "../execution-log.ts";
import { flowLine } from "./flow-log.ts";

const settings = readSettings<FlowWorkerSettings>();
const log = openSync(settings.log, "a");
const flowLog = openSync(settings.flowLog, "a");
endWithParent();

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const reseolio = new Reseolio({
  address: settings.address,
  autoStart: false,
  workerConcurrency: settings.concurrency,
  logger: quiet,
});

const work = reseolio.durable(settings.functionName, async (call: string) => {
  const { jobId, attempt } = context();
  writeSync(log, startLine(jobId, attempt, process.pid, Date.now()));
  await Bun.sleep(settings.minMs + Math.random() * (settings.maxMs - settings.minMs));
  writeSync(log, endLine(jobId, attempt, process.pid, Date.now()));
  return call;
});

reseolio.durable(settings.flowName, async (call: string) => {
  const { jobId, sleepFor } = context();
  await runStep("first");
  await runStep("second");
  writeSync(flowLog, flowLine("sleeps", jobId, "nap", Date.now()));
  await sleepFor("nap", settings.sleepMs);
  writeSync(flowLog, flowLine("wakes", jobId, "nap", Date.now()));
  const child = await work(call);
  const answer = await child.result();
  await runStep("last");
  return answer;
});

async function runStep(name: string): Promise<void> {
  const { jobId, step } = context();
  await step(name, async () => {
    writeSync(flowLog, flowLine("runs", jobId, name, Date.now()));
    await Bun.sleep(Math.random() * settings.maxMs);
  });
  writeSync(flowLog, flowLine("recorded", jobId, name, Date.now()));
}

await reseolio.start();
process.stdout.write("ready\n");
