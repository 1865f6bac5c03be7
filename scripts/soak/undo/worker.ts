/** A worker process whose handlers take orders, step by step, and write down what they do and what they undo. */
import { openSync, writeSync } from "node:fs";
import { context, Reseolio, TerminalError, type UndoRun } from "../../../src/sdk/index.ts";
import { endWithParent, type OrderWorkerSettings, readSettings } from "../child-settings.ts";
import { type Effect, effectLine } from "./effect-log.ts";
import { type OrderPlan, STEPS } from "./plan-orders.ts";

/** Around each effect, so that many kills fall between it and its record. */
const MOST_MS_BEFORE = 3;
const MOST_MS_BEHIND = 8;

const settings = readSettings<OrderWorkerSettings>();
const log = openSync(settings.log, "a");
endWithParent();

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const reseolio = new Reseolio({
  address: settings.address,
  autoStart: false,
  // The daemon may be killed before this worker connects.
  connectTimeoutMs: 120_000,
  workerConcurrency: settings.concurrency,
  maxParkedHandlers: settings.maxParkedHandlers,
  logger: quiet,
});

reseolio.durable(settings.functionName, async ({ pauses, failsAfter }: OrderPlan) => {
  const { step, sleepFor, jobId } = context();
  for (const [index, name] of STEPS.entries()) {
    if (failsAfter === index) throw new TerminalError(`it fails before ${name}`);
    const pause = pauses[index];
    if (pause?.kind === "durable") await sleepFor(`before ${name}`, pause.ms);
    if (pause?.kind === "plain") await Bun.sleep(pause.ms);
    await step(name, () => act({ jobId, step: name, act: "do", ticket: crypto.randomUUID() }), {
      undo: (ticket, run) => {
        demandOwn(jobId, name, run);
        return act({ jobId, step: name, act: "undo", ticket });
      },
    });
  }
  if (failsAfter === STEPS.length) throw new TerminalError("it fails behind its last step");
});
await reseolio.start();
process.stdout.write("ready\n");

async function act(effect: Omit<Effect, "pid" | "at">): Promise<string> {
  await Bun.sleep(Math.random() * MOST_MS_BEFORE);
  writeSync(log, effectLine({ ...effect, pid: process.pid, at: Date.now() }));
  await Bun.sleep(Math.random() * MOST_MS_BEHIND);
  return effect.ticket;
}

/** If an undo is called for the wrong job or step, its job becomes DEAD, which the judge detects. */
function demandOwn(jobId: string, step: string, run: UndoRun): void {
  if (run.jobId === jobId && run.name === step) return;
  throw new TerminalError(`the undo of ${step} of job ${jobId} was asked to undo ${run.name} of job ${run.jobId}`);
}
