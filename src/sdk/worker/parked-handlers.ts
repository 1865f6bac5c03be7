import type { HeldLease } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";

interface Parked {
  readonly context: HandlerContext;
  /** Of the lease that it was parked under. */
  readonly leaseToken: number;
  /** The daemon has it on record. */
  isRecorded: boolean;
  /** It can go on by itself. */
  needsSlot: boolean;
}

/** Handlers in memory that wait without a slot, by job, those that have waited longest first; a bounded number. */
export class ParkedHandlers {
  readonly #parked = new Map<string, Parked>();

  constructor(
    private readonly limit: number,
    /** Asks the daemon for a slot. */
    private readonly wake: (lease: HeldLease) => void,
  ) {}

  get size(): number {
    return this.#parked.size;
  }

  /** Beyond the limit the one that has waited longest never goes on: its job is replayed when its time comes. */
  add(context: HandlerContext): void {
    this.#parked.set(context.jobId, { context, leaseToken: context.leaseToken, isRecorded: false, needsSlot: false });
    const [oldest] = this.#parked.keys();
    if (this.#parked.size > this.limit && oldest !== undefined) this.drop(oldest);
  }

  /** The handler that was parked under this lease. */
  find({ jobId, leaseToken }: { readonly jobId: string; readonly leaseToken: number }): HandlerContext | undefined {
    const parked = this.#parked.get(jobId);
    return parked?.leaseToken === leaseToken ? parked.context : undefined;
  }

  /** It waits here no more. */
  take(jobId: string): HandlerContext | undefined {
    const parked = this.#parked.get(jobId);
    this.#parked.delete(jobId);
    return parked?.context;
  }

  /** The daemon has it on record that this lease was parked. */
  recorded({ jobId, leaseToken }: { readonly jobId: string; readonly leaseToken: number }): void {
    const parked = this.#parked.get(jobId);
    if (parked === undefined || parked.leaseToken !== leaseToken || parked.isRecorded) return;
    parked.isRecorded = true;
    this.#wakeIfNeeded(parked);
  }

  needSlot(jobId: string): void {
    const parked = this.#parked.get(jobId);
    if (parked === undefined || parked.needsSlot) return;
    parked.needsSlot = true;
    this.#wakeIfNeeded(parked);
  }

  /** After a break nobody knows what the daemon has heard. */
  wakeAgain(): void {
    for (const parked of this.#parked.values()) this.#wakeIfNeeded(parked);
  }

  /** Its handler never goes on. */
  drop(jobId: string): void {
    this.take(jobId)?.execution.drop();
  }

  dropAll(): void {
    for (const jobId of [...this.#parked.keys()]) this.drop(jobId);
  }

  #wakeIfNeeded({ context: { jobId }, leaseToken, isRecorded, needsSlot }: Parked): void {
    if (isRecorded && needsSlot) this.wake({ $typeName: "reseolio.v1.HeldLease", jobId, leaseToken, started: true });
  }
}
