/**
 * The demo's application: delivers webhooks, each as one durable call. It is unaware of kills and keeps no state: when
 * restarted, it makes the same calls with the same keys and finds the existing jobs.
 */
import { context, Reseolio } from "../../src/sdk/index.ts";
import { type AppEvent, readAppSettings, WEBHOOKS } from "./app-contract.ts";

const settings = readAppSettings(process.env);

const reseolio = new Reseolio({
  storage: settings.storage,
  address: settings.address,
  coreBinaryPath: settings.coreBinaryPath,
});

const deliver = reseolio.durable(
  reseolio.namespace("demo", "webhooks", "deliver"),
  async (webhook: string) => {
    const { attempt, jobId, signal } = context();
    const response = await fetch(settings.receiverUrl, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": jobId },
      body: JSON.stringify({ webhook, attempt }),
      signal,
    });
    if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
    return { status: response.status, attempt };
  },
  { maxAttempts: 10, initialDelayMs: 500, maxDelayMs: 2_000 },
);

reseolio.on("disconnected", () => tell({ kind: "disconnected" }));
reseolio.on("reconnected", () => tell({ kind: "reconnected" }));

await reseolio.start();
tell({ kind: "started" });

const jobs = await Promise.all(
  WEBHOOKS.map(async (webhook) => {
    const job = await deliver(webhook, { idempotencyKey: webhook });
    tell({ kind: "stored", webhook, jobId: job.jobId, wasThere: job.deduplicated });
    return job;
  }),
);
await Promise.all(jobs.map((job) => job.result()));
tell({ kind: "finished" });
await reseolio.stop();

function tell(event: AppEvent): void {
  console.log(JSON.stringify(event));
}
