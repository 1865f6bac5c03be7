/**
 * Delivers webhooks, each at least once, however often this program or the daemon is killed.
 *
 *     node deliver-webhooks.ts https://example.com/hook order-1001 order-1002
 *
 * Started again with the same events, it delivers nothing twice: the event's ID is the idempotency key. Exit code 0
 * when every webhook was delivered, 1 when one of them is DEAD.
 */
import {
  ConnectionError,
  context,
  JobFailedError,
  type JobHandle,
  Reseolio,
  RetryAfterError,
  TerminalError,
} from "reseolio";

interface Delivery {
  readonly status: number;
  readonly attempt: number;
}

const reseolio = new Reseolio({ storage: "sqlite://./webhooks.db", workerConcurrency: 20 });

const deliver = reseolio.durable("shop:webhooks:deliver", deliverOnce, {
  maxAttempts: 10,
  initialDelayMs: 500,
  maxDelayMs: 60_000,
  timeoutMs: 10_000,
});

/** One attempt. The error that it throws decides whether there is another. */
async function deliverOnce(url: string, event: string): Promise<Delivery> {
  const { jobId, attempt, signal } = context();
  const response = await fetch(url, {
    method: "POST",
    // The receiver may get the same webhook twice, and recognizes it by this.
    headers: { "content-type": "application/json", "idempotency-key": jobId },
    body: JSON.stringify({ event }),
    signal,
  });
  if (response.ok) return { status: response.status, attempt };
  const message = `${url} answered ${response.status}`;
  const waitMs = Number(response.headers.get("retry-after") ?? "") * 1000;
  if (waitMs > 0) throw new RetryAfterError(waitMs, message);
  if (isRefusal(response.status)) throw new TerminalError(message);
  throw new Error(message);
}

/** The receiver would give the same answer again. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

async function report(event: string, job: JobHandle<Delivery>): Promise<boolean> {
  try {
    const { status, attempt } = await job.result();
    console.log(`${event}: ${status} at attempt ${attempt}`);
    return true;
  } catch (error) {
    if (error instanceof JobFailedError) console.log(`${event}: given up (${error.reason})`);
    else if (error instanceof ConnectionError) console.log(`${event}: stopped; it goes on at the next start`);
    else throw error;
    return false;
  }
}

const [url, ...events] = process.argv.slice(2);
if (url === undefined || events.length === 0) {
  console.error("usage: deliver-webhooks URL EVENT…");
  process.exit(2);
}
// Running deliveries get time to end; the others continue at the next start.
process.once("SIGTERM", () => void reseolio.stop());

await reseolio.start();
const jobs = await Promise.all(events.map((event) => deliver.with({ idempotencyKey: event })(url, event)));
const delivered = await Promise.all(jobs.map((job, index) => report(events[index] ?? "", job)));
await reseolio.stop();
process.exitCode = delivered.every(Boolean) ? 0 : 1;
