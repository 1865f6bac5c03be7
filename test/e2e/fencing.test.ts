/** P4: a lease that was taken back can change nothing any more. */
import { expect } from "bun:test";
import { SettleResult } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { JobDetails } from "../../src/sdk/index.ts";
import { WORK } from "../support/e2e-world.ts";
import type { E2eWorld } from "../support/e2e-world.ts";
import { testOnEachStore } from "../support/each-store.ts";
import { RawWorker } from "../support/raw-worker.ts";
import { seededRandom } from "../support/seeded-random.ts";

const SHORT_LEASE = ["--lease", "2s"];

testOnEachStore(
  "P4: a worker stopped past its lease and continued after another finished its job changes nothing",
  async (store) => {
    await using world = await store.createWorld(SHORT_LEASE);
    const frozen = await world.startWorker();
    const job = await world.enqueue({ holdMs: 1_000, isDeaf: true }, { maxAttempts: 1 });
    await world.ledger.until("start", 1, job.jobId);
    frozen.signal("SIGSTOP");
    const other = await world.startWorker();
    const result = await job.result(15_000);
    expect(result).toMatchObject({ pid: other.pid, attempt: 2 });
    const finished = await job.details();

    frozen.signal("SIGCONT");
    // Its handler runs to its end, although the job has already finished elsewhere.
    expect((await world.ledger.until("end", 2)).map((entry) => entry.pid)).toContain(frozen.pid);
    // Once it finishes a new job, it has reconnected to the daemon and sent all its pending reports.
    await other.kill();
    const later = await world.enqueue({ label: "later" });
    expect(await later.result(15_000)).toMatchObject({ pid: frozen.pid });
    expect(await job.details()).toEqual(finished);
    expect(await job.result(1_000)).toEqual(result);
    expect(finished).toMatchObject({ status: "success", attempt: 2, failures: 0, losses: 1 });
  },
);

testOnEachStore(
  "P4: success, failure and release under an old lease token are stale while another runs the job and after",
  async (store) => {
    await using world = await store.createWorld(SHORT_LEASE);
    const hello = { workerId: Bun.randomUUIDv7(), functionNames: [WORK] };
    const { worker: silent } = await RawWorker.connect(world.daemon.address, hello);
    await using _ = silent;
    const job = await world.enqueue({ holdMs: 3_000, label: "new holder" }, { maxAttempts: 1 });
    const { leaseToken } = await silent.assigned(job.jobId);
    // The worker stays silent for a whole lease: the daemon ends its session and assigns the job to another worker.
    await silent.ended();
    await world.startWorker();
    await world.ledger.until("start", 1, job.jobId);
    const running = await job.details();

    const stale = [SettleResult.STALE, SettleResult.STALE, SettleResult.STALE];
    expect(await reportOldLease(world, hello.workerId, job.jobId, leaseToken)).toEqual({
      lost: [job.jobId],
      said: stale,
    });
    expect(await job.details()).toEqual(running);
    expect(await job.result(15_000)).toMatchObject({ label: "new holder" });
    const finished = await job.details();
    expect(await reportOldLease(world, hello.workerId, job.jobId, leaseToken)).toEqual({
      lost: [job.jobId],
      said: stale,
    });
    // Nor does the token of the lease that finished it open anything to somebody else.
    await reportOldLease(world, Bun.randomUUIDv7(), job.jobId, leaseToken + 2);
    expect(await job.details()).toEqual(finished);
  },
);

/** Connects as this worker, claims the lease back and reports every outcome under it. */
async function reportOldLease(world: E2eWorld, workerId: string, jobId: string, leaseToken: number) {
  const lease = { jobId, leaseToken };
  const hello = { workerId, functionNames: [WORK], concurrency: 0, heldLeases: [{ ...lease, started: true }] };
  const { worker, welcome } = await RawWorker.connect(world.daemon.address, hello);
  await using _ = worker;
  const said = await worker.report(...everyOutcome(jobId, leaseToken));
  return { lost: welcome.lostLeases.map((lost) => lost.jobId), said: [...said] };
}

function everyOutcome(jobId: string, leaseToken: number) {
  const lease = { jobId, leaseToken };
  const result = new TextEncoder().encode('"from the old holder"');
  return [
    { ...lease, outcome: { case: "success" as const, value: result } },
    {
      ...lease,
      outcome: { case: "failure" as const, value: { terminal: true, error: { name: "Error", message: "old" } } },
    },
    { ...lease, outcome: { case: "release" as const, value: { started: true } } },
  ];
}

testOnEachStore(
  "P4: the attempts of a job never overlap, whatever happens to its workers",
  async (store) => {
    const random = seededRandom("P4");
    await using world = await store.createWorld(SHORT_LEASE);
    const jobs = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        world.enqueue(
          { holdMs: 100 + 10 * (index % 40), failures: index % 3, isDeaf: index % 2 === 0 },
          { initialDelayMs: 20, maxAttempts: 5 },
        ),
      ),
    );
    const steady = world.startWorker({ concurrency: 5 });
    for (let round = 0; round < 4; round++) {
      const worker = await world.startWorker({ concurrency: 5 });
      const before = world.ledger.find("start").length;
      await world.ledger.until("start", before + 1).catch(() => []);
      worker.signal(random.next() < 0.5 ? "SIGSTOP" : "SIGKILL");
    }
    await steady;
    await Promise.all(jobs.map((job) => job.result(40_000)));
    const details = await Promise.all(jobs.map((job) => job.details()));
    expect(details.reduce((sum, job) => sum + job.losses, 0)).toBeGreaterThan(0);
    for (const job of details) expectNoOverlap(job);
  },
  90_000,
);

/** Attempts that ended without success, then the one that succeeded. */
function expectNoOverlap(job: JobDetails): void {
  const last = { attempt: job.attempt, startedAt: job.startedAt as Date, endedAt: job.finishedAt as Date };
  const intervals = [...job.attempts, last];
  for (const [index, interval] of intervals.entries()) {
    expect(interval.endedAt.getTime()).toBeGreaterThanOrEqual(interval.startedAt.getTime());
    const next = intervals[index + 1];
    if (next === undefined) continue;
    expect(next.attempt).toBeGreaterThan(interval.attempt);
    expect(next.startedAt.getTime()).toBeGreaterThanOrEqual(interval.endedAt.getTime());
  }
}
