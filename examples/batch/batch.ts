import type { Reseolio } from "reseolio";

export interface Items {
  list(batchId: string): Promise<readonly string[]>;
  /** Must be safe to repeat: an item may be processed again after a crash. */
  process(itemId: string): Promise<void>;
}

export interface BatchEnd {
  readonly succeeded: number;
  readonly failed: readonly string[];
}

/** Processes the items of a batch separately; one that fails for good does not delay the others. */
export function defineBatch(reseolio: Reseolio, items: Items) {
  const processItem = reseolio.durable(
    reseolio.namespace("batch", "item"),
    async (itemId: string) => items.process(itemId),
    { maxAttempts: 3, initialDelayMs: 200 },
  );
  return reseolio.durable(
    reseolio.namespace("batch", "run"),
    async (batchId: string): Promise<BatchEnd> => {
      const itemIds = await items.list(batchId);
      const jobs = await Promise.all(itemIds.map((itemId) => processItem(itemId)));
      const ends = await Promise.allSettled(jobs.map((job) => job.result()));
      const failed = itemIds.filter((_, index) => ends[index]?.status === "rejected");
      return { succeeded: itemIds.length - failed.length, failed };
    },
    { timeoutMs: 0 },
  );
}

/** How many items of a batch have ended: the items are its children, so nothing else has to count. */
export async function countEnded(reseolio: Reseolio, batchJobId: string): Promise<number> {
  let ended = 0;
  for (let pageToken: string | undefined = ""; pageToken !== undefined;) {
    const page: Awaited<ReturnType<Reseolio["listJobs"]>> = await reseolio.listJobs({
      parentId: batchJobId,
      status: ["success", "dead", "cancelled"],
      limit: 1_000,
      pageToken,
    });
    ended += page.jobs.length;
    pageToken = page.nextPageToken;
  }
  return ended;
}
