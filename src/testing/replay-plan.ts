import type { CrashPlan, GivenValue, ReturnedHandler } from "../sdk/workflow/test-hooks.ts";
import { StepOrder } from "./step-order.ts";

/**
 * Crashes every handler once at each point of its job: after each record, child, event and wait, and once after it has
 * returned. Concurrent steps end in a different order. Reports what a replay received or did differently from the
 * execution before it.
 */
export class ReplayPlan implements CrashPlan {
  readonly #crashed = new Set<string>();
  readonly #results = new Map<string, string>();
  readonly #seen = new Map<string, string>();
  readonly #steps = new StepOrder();
  #faults: string[] = [];

  crashesAfter(jobId: string, point: string): boolean {
    const crash = `${jobId} ${point}`;
    if (this.#crashed.has(crash)) return false;
    this.#crashed.add(crash);
    return true;
  }

  crashesAtEnd(end: ReturnedHandler): boolean {
    const result = new TextDecoder().decode(end.result);
    const before = this.#results.get(end.jobId);
    this.#results.set(end.jobId, result);
    if (before === undefined) return true;
    this.#compare(end, before, result);
    return false;
  }

  observe({ jobId, functionName, failures, op, name, given }: GivenValue): void {
    const operation = `${jobId} ${failures} ${op}`;
    const before = this.#seen.get(operation);
    if (before === undefined) this.#seen.set(operation, given);
    else if (before !== given) {
      const who = `${functionName} (job ${jobId})`;
      this.#faults.push(`${who} received ${before} from ${JSON.stringify(name)}, but ${given} when it was replayed`);
    }
  }

  afterStepRun(jobId: string, running: number): Promise<void> {
    return this.#steps.turn(jobId, running);
  }

  /** One line per difference, each returned once. */
  takeFaults(): readonly string[] {
    const faults = this.#faults;
    this.#faults = [];
    return faults;
  }

  #compare({ functionName, jobId, failures, notAskedFor }: ReturnedHandler, before: string, result: string): void {
    const who = `${functionName} (job ${jobId})`;
    if (before !== result) this.#faults.push(`${who} returned ${before}, but ${result} when it was replayed`);
    // After an attempt has failed, a handler may legitimately take another path.
    if (failures > 0) return;
    for (const name of notAskedFor) {
      this.#faults.push(
        `${who} recorded ${JSON.stringify(name)}, but took another path when it was replayed and did not ask for it`,
      );
    }
  }
}
