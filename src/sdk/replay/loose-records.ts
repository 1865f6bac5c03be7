/**
 * Records behind the failure that ended their attempt. They have no place, and are delivered again when the handler
 * asks for them. Among those asked for, the one that was delivered first comes first again, so that the winner of a
 * race remains the winner if the retry takes the same path.
 */
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import { byPlace } from "./checkpoint-journal.ts";

interface Waiting {
  readonly former: number;
  /** Its result has arrived. */
  isReady: boolean;
  readonly go: () => void;
}

export class LooseRecords {
  /** Former positions of records that were not asked for yet, in order. */
  readonly #left: number[];
  /** Former position of each record, from 0. */
  readonly #numbers = new Map<Checkpoint, number>();
  /** Requested records, by former position. */
  readonly #waiting: Waiting[] = [];
  /** Number of records that got a place and were not delivered yet. */
  #onTheirWay = 0;
  #last = -1;
  #isDue = false;

  readonly #isCalling: () => boolean;

  /** @param isCalling whether a call of the handler was not answered yet; `answered` is called when it was */
  constructor(recorded: readonly Checkpoint[], isCalling: () => boolean) {
    this.#isCalling = isCalling;
    const given = recorded.filter(wasGiven).sort(byFormerPlace);
    for (const [number, record] of given.entries()) this.#numbers.set(record, number);
    this.#left = given.map((_, number) => number);
  }

  /** Calls `go` when it is the record's turn to get a place. The caller then reports `given`. */
  request(record: Checkpoint, arrival: Promise<unknown> | undefined, go: () => void): void {
    const former = this.#numbers.get(record) ?? LAST;
    const left = this.#left.indexOf(former);
    if (left >= 0) this.#left.splice(left, 1);
    const waiting: Waiting = { former, isReady: arrival === undefined, go };
    const index = this.#waiting.findIndex((other) => other.former > former);
    this.#waiting.splice(index < 0 ? this.#waiting.length : index, 0, waiting);
    void arrival?.then(
      () => {
        waiting.isReady = true;
        this.#pumpSoon();
      },
      // The handler was aborted.
      () => {},
    );
    this.#pumpSoon();
  }

  /** A record was delivered: what the handler asks for now may come before what it has already asked for. */
  given(): void {
    this.#onTheirWay--;
    this.#pumpSoon();
  }

  /** The answer to a call was delivered. */
  answered(): void {
    this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#isDue || this.#waiting.length === 0) return;
    this.#isDue = true;
    // After everything that the handler asks for in this turn.
    setImmediate(this.#pump);
  }

  readonly #pump = (): void => {
    this.#isDue = false;
    for (;;) {
      const [next] = this.#waiting;
      if (next?.isReady !== true) return;
      // What is about to be delivered decides what the handler asks for next.
      if ((this.#onTheirWay > 0 || this.#isCalling()) && this.#mayComeBefore(next)) return;
      this.#waiting.shift();
      this.#onTheirWay++;
      this.#last = next.former;
      next.go();
    }
  };

  /** Whether a record that was not asked for yet was delivered before this one. */
  #mayComeBefore({ former }: Waiting): boolean {
    return this.#left.some((number) => number > this.#last && number < former);
  }
}

/** Sorts after all former positions. */
const LAST = Number.POSITIVE_INFINITY;

/** Whether it had a place in an attempt that failed, and has none now; `asked` tells which place. */
function wasGiven({ seq, asked, endedAttempt }: Checkpoint): boolean {
  return seq === 0 && asked > 0 && !endedAttempt;
}

/** Compares like `byPlace`, by former places. */
function byFormerPlace(one: Checkpoint, other: Checkpoint): number {
  return one.asked - other.asked || byPlace(one, other);
}
