import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import { createClient } from "../../src/sdk/transport/client.ts";

const POLL_MS = 50;

/**
 * Resolves when `count` jobs of a function are SUCCESS. Throws after the timeout, with the job counts of the daemon.
 */
export async function untilSucceeded(
  address: string,
  functionName: string,
  count: number,
  timeoutMs: number,
): Promise<void> {
  const client = createClient({ address });
  const endAt = performance.now() + timeoutMs;
  try {
    for (;;) {
      const { functions } = await client.daemon.getStats({});
      const counts = functions.find((one) => one.functionName === functionName)?.counts ?? [];
      const succeeded = Number(counts.find(({ state }) => state === JobState.SUCCESS)?.count ?? 0);
      if (succeeded >= count) return;
      if (performance.now() > endAt) {
        const states = counts.map(({ state, count: jobs }) => `${jobs} ${JobState[state]}`).join(", ");
        throw new Error(`${functionName}: not all of ${count} jobs succeeded within ${timeoutMs / 1000} s: ${states}`);
      }
      await Bun.sleep(POLL_MS);
    }
  } finally {
    client.close();
  }
}
