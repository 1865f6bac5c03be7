/**
 * Delivers results to a handler in the same order in every execution: first what is on record, in recorded order, each
 * once the handler has asked for as much as it had then; after that what is new, in the order in which it gets its
 * places. One delivery per turn of the event loop, so that each finds the handler as the previous one left it.
 */
import type { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { answersIn, askedCount, isAnswersFull, operationsIn } from "./asked-count.ts";
import type { Placed } from "./checkpoint-journal.ts";
import { nameOfLabel } from "./checkpoint-names.ts";
import type { Delivery, Place, SequenceEvents } from "./delivery.ts";
import { History } from "./history.ts";
import { LazyMap } from "./lazy-map.ts";
import type { Asked } from "./operation.ts";
import { PromptMark } from "./prompt-mark.ts";
import { ROOT_ID } from "./scope.ts";
import { currentTurn } from "./turns.ts";

/** Deliveries in one turn, if each is all that the handler waits for. */
const IN_LINE = 64;

export class Sequence {
  readonly #history: History;
  #asked = 0;
  /** Answers to calls that were delivered, or have their place among the new deliveries. */
  #answered = 0;
  #outstanding = 0;
  #lastSeq: number;
  /** Identity of the last delivery; 0 if it is not on record. */
  #lastGiven = ROOT_ID;
  /** Identity of the last delivery, also of one that is not on record. */
  #given = ROOT_ID;
  #turn = 0;
  /** Turn of the last delivery; the start of the handler counts as the first. */
  #givenIn = currentTurn();
  readonly #prompt: PromptMark;
  #isDue = false;
  /** Operation asked for in this turn that may be delivered in the same turn. */
  #lineOp = 0;
  #inLine = 0;
  #isStopped = false;
  /** Requested records, by operation. */
  readonly #requested = new LazyMap<number, Delivery>();
  /** New deliveries in the order of their places; those before `#coming` are done. */
  readonly #deliveries: Delivery[] = [];
  #coming = 0;
  /** Answers to calls, which are not on record: in the order of the calls, whichever is answered first. */
  readonly #answers: Delivery[] = [];
  /** Requested records without a place, earliest first. */
  readonly #unordered: { readonly time: number; readonly give: () => void }[] = [];
  #whenLive: (() => void)[] = [];

  readonly #events: SequenceEvents;

  constructor(history: readonly Placed[], events: SequenceEvents) {
    this.#events = events;
    this.#history = new History(history, this);
    this.#prompt = new PromptMark(this);
    this.#lastSeq = history.at(-1)?.record.seq ?? 0;
    this.#prompt.set();
  }

  /** All records are delivered: new operations may begin. */
  get isLive(): boolean {
    return this.#history.isOver;
  }

  /** The next record to deliver. */
  get head(): Placed | undefined {
    return this.#history.head;
  }

  /** Records that were not delivered yet, in order. */
  get left(): readonly Placed[] {
    return this.#history.left;
  }

  get asked(): number {
    return this.#asked;
  }

  /** Number of things that the handler has asked for and has not received. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Number of deliveries so far. */
  get turn(): number {
    return this.#turn;
  }

  /** Identity of the last delivery. */
  get given(): number {
    return this.#given;
  }

  /** The handler is still continuing from its last delivery, without another event of the event loop in between. */
  get isPrompt(): boolean {
    return this.#prompt.isSet;
  }

  /** A call was not answered yet, so the handler has not asked for what follows it. */
  get isCalling(): boolean {
    return this.#answers.length > 0;
  }

  /** The daemon has not answered the next call yet. */
  get isAwaitingAnswer(): boolean {
    return this.#answers[0]?.isReady === false;
  }

  isRequested(op: number): boolean {
    return this.#requested.has(op);
  }

  /** Counts an operation that the handler asks for. */
  ask(): void {
    this.#asked++;
    this.#outstanding++;
  }

  /** Counts a call of the handler, which is not on record. */
  call(id: number): Delivery {
    this.#outstanding++;
    const answer: Delivery = { id, op: 0, isAnswer: true, isReady: false, give: () => {} };
    this.#answers.push(answer);
    return answer;
  }

  /** Delivers the answer to a call, in its own turn. */
  answer(answer: Delivery, give: () => void): void {
    // An aborted handler may still make calls and gets their answers.
    if (this.#isStopped) return give();
    answer.give = give;
    answer.isReady = true;
    this.#pump();
  }

  /** Drops a call that is never answered. */
  forgetCall(answer: Delivery): void {
    this.#answers.splice(this.#answers.indexOf(answer), 1);
    this.#pumpSoon();
  }

  /** A result was delivered, or never will be. */
  settle(): void {
    this.#outstanding--;
  }

  /** Calls `go` when all records have been delivered. */
  whenLive(go: () => void): void {
    this.#whenLive.push(go);
    this.#pumpSoon();
  }

  /** Delivers the record of an operation when its turn comes. */
  request(op: number, isReady: boolean, give: () => void): Delivery {
    const delivery: Delivery = { op, id: op, isReady, give };
    this.#requested.set(op, delivery);
    // It was already counted when it was passed over.
    if (this.#history.hasPassedOver(op)) this.#asked--;
    if (this.isPrompt && this.#isNextInLine(op)) this.#lineOp = op;
    else this.#pumpSoon();
    return delivery;
  }

  /** Delivers a record without a place: of those asked for, the earliest first. */
  requestUnordered(time: number, give: () => void): void {
    const index = this.#unordered.findIndex((other) => other.time > time);
    this.#unordered.splice(index < 0 ? this.#unordered.length : index, 0, { time, give });
    this.#pumpSoon();
  }

  /** Takes a place, for what is recorded now or for what ends while the handler is parked. */
  place(): Place {
    return { seq: ++this.#lastSeq, asked: askedCount(this.#asked, this.#answered), alone: this.#outstanding === 1 };
  }

  /** Whether the operation follows from the last delivery, so that its record needs no identity. */
  isChained({ isChained, behind, name }: Asked, label: string): boolean {
    // A branch may continue after its handler has ended, when the places taken by then are no longer known here.
    if (!isChained || behind !== this.#lastGiven || this.#isStopped) return false;
    if (this.#deliveries.length > this.#coming) return false;
    // A reader of the record derives the name from the label.
    return nameOfLabel(label) === name;
  }

  /** Adds a delivery in the last place. It is made when it is ready and all deliveries before it are done. */
  expect(delivery: Delivery): void {
    this.#deliveries.push(delivery);
    if (delivery.isReady) this.#pump();
  }

  /** The result of a delivery has arrived. */
  ready(delivery: Delivery): void {
    delivery.isReady = true;
    this.#pump();
  }

  /** Skips a record that the handler no longer asks for. It counts as asked for. */
  passOver(placed: Placed): void {
    this.#history.passOver(placed);
    this.#asked++;
    this.#pumpSoon();
  }

  isPassedOver(placed: Placed): boolean {
    return this.#history.isPassedOver(placed);
  }

  /** For changed code: delivers an answer that had not been delivered at this point before. */
  answerAnyway(): boolean {
    return !this.#isStopped && this.#giveAnswer();
  }

  /** Finds a passed over record of this kind and name that was not asked for since. */
  passedOverAs(kind: CheckpointKind, name: string): Placed | undefined {
    return this.#history.passedOverAs(kind, name);
  }

  /** Delivers this record next, ahead of those before it. */
  bringForward(placed: Placed): void {
    this.#history.bringForward(placed);
    this.#pumpSoon();
  }

  forgetWhenLive(go: () => void): void {
    this.#whenLive = this.#whenLive.filter((other) => other !== go);
  }

  /** Begins a new operation before all records are delivered; it does not count as asked for. */
  begin(go: () => void): void {
    this.#asked--;
    this.forgetWhenLive(go);
    go();
  }

  /** Stops all deliveries. */
  stop(): void {
    this.#isStopped = true;
    this.#whenLive = [];
    this.#requested.clear();
    empty(this.#unordered);
    empty(this.#answers);
    empty(this.#deliveries);
    this.#coming = 0;
  }

  /**
   * Whether the record can be delivered without a turn in between, because nothing else is outstanding, now or then.
   * This replays thousands of sequential steps in a fraction of the time; the event loop still runs now and then.
   */
  #isNextInLine(op: number): boolean {
    const { head } = this.#history;
    return head?.op === op && head.record.alone && head.record.prompt && this.#outstanding === 1 && !this.#isStopped;
  }

  /** Called after everything that the handler does in the same turn. */
  onAsked(): void {
    const op = this.#lineOp;
    if (op === 0) return;
    this.#lineOp = 0;
    const { head } = this.#history;
    if (head !== undefined && this.#isNextInLine(op) && ++this.#inLine % IN_LINE !== 0) this.#pumpHistory(head);
    else this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(Sequence.#onTurn, this);
  }

  static #onTurn(this: void, sequence: Sequence): void {
    sequence.#isDue = false;
    sequence.#pump();
  }

  /** Makes at most one delivery, and schedules itself for the next. */
  #pump(): void {
    if (this.#isStopped) return;
    if (this.#givenIn === currentTurn()) return this.#pumpSoon();
    const { head } = this;
    if (head === undefined) this.#pumpLive();
    else this.#pumpHistory(head);
  }

  /** Takes the next answer if it has arrived. */
  #takeAnswer(): Delivery | undefined {
    if (this.#answers.length === 0 || this.#answers[0]?.isReady !== true) return undefined;
    this.#answered++;
    return this.#answers.shift();
  }

  #giveAnswer(): boolean {
    const answer = this.#takeAnswer();
    if (answer === undefined) return false;
    this.#give(answer);
    this.#pumpSoon();
    return true;
  }

  #pumpLive(): void {
    // Answers go after everything that has a place and before everything that gets one, as in a replay.
    for (let answer = this.#takeAnswer(); answer !== undefined; answer = this.#takeAnswer()) {
      this.#deliveries.push(answer);
    }
    if (this.#whenLive.length > 0) {
      for (const go of this.#whenLive.splice(0)) go();
      this.#pumpSoon();
      return;
    }
    const next = this.#unordered.length === 0 ? undefined : this.#unordered.shift();
    if (next === undefined) this.#giveComing();
    else {
      this.#give({ op: 0, id: 0, isReady: true, give: next.give });
      this.#pumpSoon();
    }
  }

  #giveComing(): boolean {
    const delivery = this.#deliveries[this.#coming];
    if (delivery?.isReady !== true) return false;
    if (this.#deliveries.length === 1) this.#deliveries.pop();
    else if (++this.#coming === this.#deliveries.length) {
      empty(this.#deliveries);
      this.#coming = 0;
    }
    this.#give(delivery);
    if (this.#deliveries.length > 0 || !this.isLive) this.#pumpSoon();
    return true;
  }

  #pumpHistory(head: Placed): void {
    const delivery = this.#requested.get(head.op);
    const isAnswered = this.#answered >= answersIn(head.record.asked);
    if (delivery?.isReady !== true || !isAnswered || this.#asked < operationsIn(head.record.asked)) {
      if ((!isAnswered || isAnswersFull(head.record.asked)) && this.#giveAnswer()) return;
      // Only if something new began before all records were delivered.
      if (this.#giveComing()) return;
      if (delivery === undefined || delivery.isReady) this.#events.onHeld(head);
      return;
    }
    this.#requested.delete(head.op);
    this.#history.take(head);
    this.#give(delivery);
    if (this.isLive) this.#events.onLive();
    this.#pumpSoon();
  }

  #give(delivery: Delivery): void {
    this.#givenIn = currentTurn();
    this.#prompt.set();
    this.#given = delivery.id;
    this.#turn++;
    if (delivery.isAnswer !== true) this.#lastGiven = delivery.op;
    delivery.give();
  }
}

/** Most lists are already empty at the end, and truncating an empty array costs as much as a full one. */
function empty(list: unknown[]): void {
  if (list.length > 0) list.length = 0;
}
