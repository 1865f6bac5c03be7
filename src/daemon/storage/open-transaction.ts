import { DaemonError } from "../core/errors.ts";
import type { Guard } from "./guard.ts";
import type { EventWrites } from "./seam/events.ts";
import type { JobWrites } from "./seam/jobs.ts";
import type { ScheduleWrites } from "./seam/schedules.ts";
import type { Transaction } from "./seam/store.ts";
import type { WorkerWrites } from "./seam/workers.ts";
import type { WorkflowWrites } from "./seam/workflows.ts";

/** Makes the parts of one transaction, each when it is used first. */
export interface TransactionParts {
  readonly now: () => number;
  readonly jobs: (tx: OpenTransaction) => JobWrites;
  readonly workflows: (tx: OpenTransaction) => WorkflowWrites;
  readonly events: (tx: OpenTransaction) => EventWrites;
  readonly schedules: (tx: OpenTransaction) => ScheduleWrites;
  readonly workers: (tx: OpenTransaction) => WorkerWrites;
  readonly nextDueAt: () => number | null | Promise<number | null>;
  readonly moveLengths: (byMs: number) => void;
}

/** One transaction of either store. After `end`, code that still holds it can no longer write. */
export class OpenTransaction implements Transaction {
  readonly #parts: TransactionParts;
  #isOver = false;
  #jobs?: JobWrites;
  #workflows?: WorkflowWrites;
  #events?: EventWrites;
  #schedules?: ScheduleWrites;
  #workers?: WorkerWrites;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** Call this after commit and rollback. */
  end(): void {
    this.#isOver = true;
  }

  get now(): number {
    this.refuseEnded();
    return this.#parts.now();
  }

  get jobs(): JobWrites {
    return (this.#jobs ??= this.#parts.jobs(this));
  }

  get workflows(): WorkflowWrites {
    return (this.#workflows ??= this.#parts.workflows(this));
  }

  get events(): EventWrites {
    return (this.#events ??= this.#parts.events(this));
  }

  get schedules(): ScheduleWrites {
    return (this.#schedules ??= this.#parts.schedules(this));
  }

  get workers(): WorkerWrites {
    return (this.#workers ??= this.#parts.workers(this));
  }

  async nextDueAt(): Promise<number | null> {
    this.refuseEnded();
    return this.#parts.nextDueAt();
  }

  async moveLengths(byMs: number): Promise<void> {
    this.refuseEnded();
    this.#parts.moveLengths(byMs);
  }

  readonly guard: Guard =
    (verb) =>
    async (...args) => {
      this.refuseEnded();
      return verb(...args);
    };

  refuseEnded(): void {
    if (this.#isOver) throw new DaemonError("internal", "the transaction is over: use it only inside transact");
  }
}
