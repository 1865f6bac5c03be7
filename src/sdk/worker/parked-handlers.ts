import type { HeldLease } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";

interface Parked {
  readonly context: HandlerContext;
  /** Token of the lease under which it was parked. */
  readonly leaseToken: number;
  /** The daemon has recorded the park. */
  isRecorded: boolean;
  /** It can continue although none of its waits has ended. */
  needsSlot: boolean;
}

/** Parked handlers in memory, by job, those that have waited longest first. Their number is limited. */
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

  /** Beyond the limit, drops the handler that has waited longest: its job is replayed when its wait ends. */
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

  /** Removes and returns the job's handler. */
  take(jobId: string): HandlerContext | undefined {
    const parked = this.#parked.get(jobId);
    this.#parked.delete(jobId);
    return parked?.context;
  }

  /** The daemon has recorded that this lease was parked. */
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

  /** After a break it is unknown which wakes have reached the daemon. */
  wakeAgain(): void {
    for (const parked of this.#parked.values()) this.#wakeIfNeeded(parked);
  }

  /** Drops the job's handler, which never continues. */
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
