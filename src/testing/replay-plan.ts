import type { CrashPlan, ReturnedHandler, GivenValue } from "../sdk/workflow/test-hooks.ts";
import { StepOrder } from "./step-order.ts";

/**
 * Every handler dies once at each point of its job: after each record, child, event and wait, and once when it has
 * returned; and steps beside each other end in another order. Tells what a replay saw or did otherwise than the
 * execution before.
 */
export class ReplayPlan implements CrashPlan {
  readonly #died = new Set<string>();
  readonly #results = new Map<string, string>();
  readonly #seen = new Map<string, string>();
  readonly #steps = new StepOrder();
  #faults: string[] = [];

  crashesAfter(jobId: string, point: string): boolean {
    const place = `${jobId} ${point}`;
    if (this.#died.has(place)) return false;
    this.#died.add(place);
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
    const place = `${jobId} ${failures} ${op}`;
    const before = this.#seen.get(place);
    if (before === undefined) this.#seen.set(place, given);
    else if (before !== given) {
      const who = `${functionName} (job ${jobId})`;
      this.#faults.push(`${who} was given ${before} by ${JSON.stringify(name)}, and replayed it was given ${given}`);
    }
  }

  afterStepRun(jobId: string, running: number): Promise<void> {
    return this.#steps.turn(jobId, running);
  }

  /** One line each; they are told once. */
  takeFaults(): readonly string[] {
    const faults = this.#faults;
    this.#faults = [];
    return faults;
  }

  #compare({ functionName, jobId, failures, notAskedFor }: ReturnedHandler, before: string, result: string): void {
    const who = `${functionName} (job ${jobId})`;
    if (before !== result) this.#faults.push(`${who} returned ${before}, and replayed it returned ${result}`);
    // After a failure of the whole attempt a handler may well go another way.
    if (failures > 0) return;
    for (const name of notAskedFor) {
      this.#faults.push(
        `${who} recorded ${JSON.stringify(name)}, and replayed it went another way and did not ask for it`,
      );
    }
  }
}
