import type { Assignment } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { RawWorker } from "./raw-worker.ts";
import type { Random } from "./seeded-random.ts";

export interface SignalTakerOptions {
  readonly address: string;
  readonly functionName: string;
  /** The signal that each job awaits, so many times. */
  readonly signalName: string;
  readonly perJob: number;
  readonly jobs: number;
  readonly random: Random;
}

/** A daemon that restarts refuses connections for a moment. */
const RECONNECT_MS = 30;

/**
 * A worker whose jobs take their signals one after the other, some waits at a time, and then succeed. It drops its
 * connection now and then, as a crash would, and connects again whenever the daemon went.
 */
export class SignalTaker {
  /** What each job took, by the place of the wait. */
  readonly taken = new Map<string, Map<number, string>>();
  crashes = 0;
  readonly #options: SignalTakerOptions;
  readonly #workerId = Bun.randomUUIDv7();
  readonly #done = new Set<string>();

  constructor(options: SignalTakerOptions) {
    this.#options = options;
  }

  /** Resolves when all jobs have taken all of their signals. */
  async run(): Promise<void> {
    while (this.#done.size < this.#options.jobs) {
      await this.#session().catch(() => Bun.sleep(RECONNECT_MS));
    }
  }

  async #session(): Promise<void> {
    const { address, functionName, jobs, random } = this.#options;
    const hello = { workerId: this.#workerId, functionNames: [functionName], concurrency: jobs, ordered: true };
    const { worker } = await RawWorker.connect(address, hello);
    await using _ = worker;
    for (let place = 0; this.#done.size < jobs; place++) {
      await this.#handle(worker, await worker.nthAssigned(place));
      if (random.between(0, 20) > 0) continue;
      this.crashes++;
      return;
    }
  }

  async #handle(worker: RawWorker, { jobId, leaseToken }: Assignment): Promise<void> {
    const { checkpoints } = await worker.leased(jobId, leaseToken);
    const taken = this.taken.get(jobId) ?? new Map<number, string>();
    this.taken.set(jobId, taken);
    for (const { name, value } of checkpoints) note(taken, placeOf(name), new TextDecoder().decode(value));
    const lease = { jobId, leaseToken, durationUs: 1_000 };
    const { perJob, signalName, random } = this.#options;
    let next = 0;
    while (taken.has(next)) next++;
    if (next === perJob) {
      await worker.report({ ...lease, outcome: { case: "success", value: new TextEncoder().encode("null") } });
      this.#done.add(jobId);
      return;
    }
    const count = Math.min(random.between(1, 3), perJob - next);
    const names = Array.from({ length: count }, (_, index) => nameOf(next + index));
    const waits = names.map((name) => ({ name, awaited: { case: "signalName" as const, value: signalName } }));
    await worker.report({ ...lease, outcome: { case: "park", value: { waits, waitingNames: names } } });
  }
}

/** Later ones come first in the alphabet: the order of registration counts. */
function nameOf(place: number): string {
  return `wait-${String(9_999 - place).padStart(4, "0")}`;
}

function placeOf(name: string): number {
  return 9_999 - Number(name.slice("wait-".length));
}

function note(taken: Map<number, string>, place: number, payload: string): void {
  const known = taken.get(place);
  if (known !== undefined && known !== payload) throw new Error(`wait ${place} took ${known}, and then ${payload}`);
  taken.set(place, payload);
}
