/**
 * Processes a batch of items and shows its progress. Started again with the same name, it continues where it was.
 *
 *     bun main.ts nightly
 */
import { Reseolio } from "reseolio";
import { countEnded, defineBatch } from "./batch.ts";

const [batchId = "nightly"] = process.argv.slice(2);
const reseolio = new Reseolio({ workerConcurrency: 20 });
const runBatch = defineBatch(reseolio, {
  list: async () => Array.from({ length: 50 }, (_, index) => `item-${index + 1}`),
  process: async (itemId) => {
    if (itemId === "item-13") throw new Error("unlucky");
  },
});

await reseolio.start();
const batch = await runBatch.with({ idempotencyKey: batchId })(batchId);
const progress = setInterval(() => {
  void countEnded(reseolio, batch.jobId).then((ended) => console.error(`${ended} done`));
}, 500);
const { succeeded, failed } = await batch.result();
clearInterval(progress);
console.log(`${succeeded} succeeded; failed: ${failed.join(", ")}`);
await reseolio.stop();
