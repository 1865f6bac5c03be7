/**
 * What an attempt recorded behind the failure that ended it: it has no place, and is given again when the handler asks
 * for it. Of what the handler has asked for, the one that was given first is given first, so that the winner of a race
 * stays the winner wherever the retry comes the same way.
 */
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import { byPlace } from "./checkpoint-journal.ts";

interface Waiting {
  readonly former: number;
  /** What belongs to it is here. */
  isReady: boolean;
  readonly go: () => void;
}

export class LooseRecords {
  /** Numbers of what was given and nobody has asked for yet, in order. */
  readonly #left: number[];
  /** In the order in which they were given, from 0. */
  readonly #numbers = new Map<Checkpoint, number>();
  /** Asked for, the one that was given first comes first. */
  readonly #waiting: Waiting[] = [];
  /** Got a place, and was not given yet. */
  #onTheirWay = 0;
  #last = -1;
  #isDue = false;

  /** @param isCalling the handler has made a call that was not answered yet; `answered` tells when it was */
  constructor(
    recorded: readonly Checkpoint[],
    private readonly isCalling: () => boolean,
  ) {
    const given = recorded.filter(wasGiven).sort(byFormerPlace);
    for (const [number, record] of given.entries()) this.#numbers.set(record, number);
    this.#left = given.map((_, number) => number);
  }

  /** Calls `go` when it is the record's turn to get a place; ends with `given`. */
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
      // The handler's time is over.
      () => {},
    );
    this.#pumpSoon();
  }

  /** The handler was given one: what it asks for now may come before what it has asked for. */
  given(): void {
    this.#onTheirWay--;
    this.#pumpSoon();
  }

  /** The handler was given the answer to a call. */
  answered(): void {
    this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#isDue || this.#waiting.length === 0) return;
    this.#isDue = true;
    // Behind all that the handler asks for in this turn.
    setImmediate(this.#pump);
  }

  readonly #pump = (): void => {
    this.#isDue = false;
    for (;;) {
      const [next] = this.#waiting;
      if (next?.isReady !== true) return;
      // What the handler is about to be given decides what it asks for next.
      if ((this.#onTheirWay > 0 || this.isCalling()) && this.#mayComeBefore(next)) return;
      this.#waiting.shift();
      this.#onTheirWay++;
      this.#last = next.former;
      next.go();
    }
  };

  /** Something that the handler has not asked for was given before this one. */
  #mayComeBefore({ former }: Waiting): boolean {
    return this.#left.some((number) => number > this.#last && number < former);
  }
}

/** Behind everything that was given. */
const LAST = Number.POSITIVE_INFINITY;

/** Has no place now, and had one in an attempt that failed: `asked` says which. */
function wasGiven({ seq, asked, endedAttempt }: Checkpoint): boolean {
  return seq === 0 && asked > 0 && !endedAttempt;
}

/** As `byPlace`, of the places that they had. */
function byFormerPlace(one: Checkpoint, other: Checkpoint): number {
  return one.asked - other.asked || byPlace(one, other);
}
