import type { NewWait } from "../../src/daemon/core/checkpoint.ts";
import { decide } from "../../src/daemon/core/job-machine.ts";
import { resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import type { Transaction } from "../../src/daemon/storage/seam/store.ts";

const BATCH = 500;

/** Fills a database with jobs that a worker which is gone has parked, each for a wait of its own of this kind. */
export async function parkJobs(db: string, count: number, functionName: string, wait: NewWait): Promise<void> {
  const { store } = await openStore(db, { clock: { now: () => Date.now(), monotonic: () => performance.now() } });
  for (let done = 0; done < count; done += BATCH) {
    await store.transact((tx) => parkBatch(tx, Math.min(BATCH, count - done), functionName, wait, done));
  }
  await store.close();
}

async function parkBatch(
  tx: Transaction,
  count: number,
  functionName: string,
  wait: NewWait,
  first: number,
): Promise<void> {
  const { options } = resolveJobOptions({ timeoutMs: 60_000 }, "options");
  const args = new TextEncoder().encode("[]");
  const jobIds = Array.from({ length: count }, () => Bun.randomUUIDv7());
  await tx.jobs.enqueue(jobIds.map((jobId) => ({ jobId, functionName, args, options, parentId: null })));
  const [claimed] = await tx.jobs.claim([{ workerId: "gone", functionNames: [functionName], limit: count }]);
  const jobs = claimed?.jobs ?? [];
  const transitions = jobs.map((job) => decide(job, { kind: "park", ranMs: 1 }, { maxLosses: 10 }, 0));
  await tx.jobs.applyTransitions(transitions.filter((transition) => transition !== null));
  await tx.workflows.park(
    jobs.map(({ jobId, leaseToken }, index) => ({
      jobId,
      leaseToken,
      waits: [wait.kind === "event" ? { ...wait, eventName: `${wait.eventName}:${first + index}` } : wait],
      waitingNames: [wait.name],
      place: 0,
      order: null,
    })),
  );
}
