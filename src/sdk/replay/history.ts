import type { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Placed } from "./checkpoint-journal.ts";
import { isLabelOf } from "./checkpoint-names.ts";

export interface Requests {
  /** Whether the handler has asked for the operation. */
  isRequested(op: number): boolean;
}

const NONE: Set<Placed> = new Set();
const NOTHING: readonly Placed[] = [];

/** The records that were not delivered yet, in the order of delivery. */
export class History {
  /** Copied as soon as the order changes. */
  #records: readonly Placed[];
  #next = 0;
  /** Records that changed code no longer asks for; delivered if it does after all. */
  #passedOver: Set<Placed> = NONE;

  readonly #requests: Requests;

  constructor(records: readonly Placed[], requests: Requests) {
    this.#requests = requests;
    this.#records = records;
  }

  /** Whether nothing is left to deliver. */
  get isOver(): boolean {
    if (this.#next === this.#records.length) return true;
    return this.#passedOver.size > 0 && this.head === undefined;
  }

  /** The next record to deliver. */
  get head(): Placed | undefined {
    if (this.#passedOver.size === 0) return this.#records[this.#next];
    return this.left.find((placed) => !this.#passedOver.has(placed) || this.#requests.isRequested(placed.op));
  }

  get left(): readonly Placed[] {
    if (this.#next === this.#records.length) return NOTHING;
    return this.#records.slice(this.#next);
  }

  /** Removes a record that was delivered. */
  take(placed: Placed): void {
    if (this.#records[this.#next] === placed) this.#next++;
    else this.#records = this.#records.toSpliced(this.#records.indexOf(placed, this.#next), 1);
  }

  passOver(placed: Placed): void {
    if (this.#passedOver === NONE) this.#passedOver = new Set();
    this.#passedOver.add(placed);
  }

  isPassedOver(placed: Placed): boolean {
    return this.#passedOver.has(placed);
  }

  /** Finds a passed over record of this kind and name that was not asked for since. */
  passedOverAs(kind: CheckpointKind, name: string): Placed | undefined {
    if (this.#passedOver.size === 0) return undefined;
    return this.left.find(
      (placed) =>
        this.#passedOver.has(placed) &&
        placed.record.kind === kind &&
        isLabelOf(placed.record.name, name) &&
        !this.#requests.isRequested(placed.op),
    );
  }

  hasPassedOver(op: number): boolean {
    for (const placed of this.#passedOver) if (placed.op === op) return true;
    return false;
  }

  /** Makes this the next record to deliver, ahead of those before it. */
  bringForward(placed: Placed): void {
    const index = this.#records.indexOf(placed, this.#next);
    this.#records = this.#records.toSpliced(index, 1).toSpliced(this.#next, 0, placed);
  }
}
