/** A daemon's resident memory while jobs are enqueued and run without a pause. */
import { bunRuntime, startChild } from "./child-process.ts";
import { residentBytes, startDaemon } from "./daemon-process.ts";
import { median, slope } from "./statistics.ts";

/** Memory at one moment. */
export interface MemorySample {
  /** Jobs that had been enqueued and run. */
  readonly jobs: number;
  readonly megabytes: number;
}

/** Samples, oldest first. */
export interface WatchedMemory {
  /** Empty if the system does not report memory. */
  readonly samples: readonly MemorySample[];
  readonly jobsPerSecond: number;
}

/** How the memory at the end stands to that near the start. */
export interface Growth {
  readonly plateauMegabytes: number;
  readonly endMegabytes: number;
  /** Megabytes a job over the second half of the samples. */
  readonly slopePerJob: number;
}

const CHUNKS = 50;
const FUNCTION_NAME = "bench:memory:noop";
const MEGABYTE = 1024 * 1024;

/** Starts a daemon on the file with one client and one worker, and stops them; the file stays. */
export async function watchMemory(
  executable: string,
  db: string,
  jobs: number,
  progress: (text: string) => void,
): Promise<WatchedMemory> {
  const daemon = await startDaemon(executable, db);
  const client = startChild(bunRuntime());
  const worker = startChild(bunRuntime());
  try {
    await client.connect(daemon.address, 0);
    await worker.connect(daemon.address, 64);
    await worker.do({ op: "serve", functionName: FUNCTION_NAME });
    const samples: MemorySample[] = [];
    const startedAt = performance.now();
    const chunk = Math.ceil(jobs / CHUNKS);
    for (let done = chunk; done <= chunk * CHUNKS; done += chunk) {
      await client.time({ op: "enqueue", functionName: FUNCTION_NAME, count: chunk, inFlight: 64 });
      await client.do({ op: "settled", functionName: FUNCTION_NAME, count: done });
      const bytes = residentBytes(daemon.pid);
      if (bytes !== null) samples.push({ jobs: done, megabytes: bytes / MEGABYTE });
      if ((done / chunk) % 10 === 0) progress(`memory: ${done} jobs, ${samples.at(-1)?.megabytes.toFixed(0)} MB`);
    }
    return { samples, jobsPerSecond: ((chunk * CHUNKS) / (performance.now() - startedAt)) * 1000 };
  } finally {
    await Promise.all([client.stop(), worker.stop()]);
    await daemon.stop();
  }
}

/**
 * Takes the median of three samples at each end, because a single one depends on when garbage was last collected. Null
 * without samples at or after `plateauJobs`.
 */
export function measureGrowth(samples: readonly MemorySample[], plateauJobs: number): Growth | null {
  const plateau = samples.filter(({ jobs }) => jobs >= plateauJobs).slice(0, 3);
  if (plateau.length === 0) return null;
  const later = samples.slice(Math.floor(samples.length / 2));
  return {
    plateauMegabytes: median(plateau.map(({ megabytes }) => megabytes)),
    endMegabytes: median(samples.slice(-3).map(({ megabytes }) => megabytes)),
    slopePerJob: slope(later.map(({ jobs, megabytes }) => ({ x: jobs, y: megabytes }))),
  };
}
