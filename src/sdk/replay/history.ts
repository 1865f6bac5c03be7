import type { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Placed } from "./checkpoint-journal.ts";
import { isLabelOf } from "./checkpoint-names.ts";

export interface Requests {
  /** Whether the handler has asked for the operation. */
  isRequested(op: number): boolean;
}

const NONE: Set<Placed> = new Set();
const NOTHING: readonly Placed[] = [];

/** What is on record and was not given yet, in the order in which it is given. */
export class History {
  /** Its own copy as soon as it changes the order. */
  #records: readonly Placed[];
  #next = 0;
  /** Passed over, as the handler does not ask for them any more; given if it does. */
  #passedOver: Set<Placed> = NONE;

  constructor(
    records: readonly Placed[],
    private readonly requests: Requests,
  ) {
    this.#records = records;
  }

  /** Nothing is left to be given. */
  get isOver(): boolean {
    if (this.#next === this.#records.length) return true;
    return this.#passedOver.size > 0 && this.head === undefined;
  }

  /** The next to be given. */
  get head(): Placed | undefined {
    if (this.#passedOver.size === 0) return this.#records[this.#next];
    return this.left.find((placed) => !this.#passedOver.has(placed) || this.requests.isRequested(placed.op));
  }

  get left(): readonly Placed[] {
    if (this.#next === this.#records.length) return NOTHING;
    return this.#records.slice(this.#next);
  }

  /** It was given. */
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

  /** Not asked for since, of this kind and name. */
  passedOverAs(kind: CheckpointKind, name: string): Placed | undefined {
    if (this.#passedOver.size === 0) return undefined;
    return this.left.find(
      (placed) =>
        this.#passedOver.has(placed) &&
        placed.record.kind === kind &&
        isLabelOf(placed.record.name, name) &&
        !this.requests.isRequested(placed.op),
    );
  }

  hasPassedOver(op: number): boolean {
    for (const placed of this.#passedOver) if (placed.op === op) return true;
    return false;
  }

  /** It is given next, before what is recorded before it. */
  bringForward(placed: Placed): void {
    const index = this.#records.indexOf(placed, this.#next);
    this.#records = this.#records.toSpliced(index, 1).toSpliced(this.#next, 0, placed);
  }
}
