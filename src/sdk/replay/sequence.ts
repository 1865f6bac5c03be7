/**
 * The order in which a handler is given things, the same in every execution: first what is on record, in the order of
 * the record, each when the handler has asked for as much as it had asked for then; behind that what comes, in the order
 * in which it gets its places. One thing a turn of the event loop, so that each finds the handler as the one before left
 * it.
 */
import type { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { answersIn, askedCount, isAnswersFull, operationsIn } from "./asked-count.ts";
import { ROOT_ID } from "./branch.ts";
import type { Placed } from "./checkpoint-journal.ts";
import type { Delivery, Place, SequenceEvents } from "./delivery.ts";
import { nameOfLabel } from "./checkpoint-names.ts";
import { History } from "./history.ts";
import { LazyMap } from "./lazy-map.ts";
import type { Asked } from "./operation.ts";
import { PromptMark } from "./prompt-mark.ts";
import { currentTurn } from "./turns.ts";

/** Given in one turn, when each is all that the handler waits for. */
const IN_LINE = 64;

export class Sequence {
  readonly #history: History;
  #asked = 0;
  /** Answers to calls that were given to the handler, or have their place among what comes. */
  #answered = 0;
  #outstanding = 0;
  #lastSeq: number;
  /** Identity of what the handler was given last; 0 where no record tells. */
  #lastGiven = ROOT_ID;
  /** The same, also of what is not on record. */
  #given = ROOT_ID;
  #turn = 0;
  /** The handler's start is the first thing that it was given. */
  #givenIn = currentTurn();
  readonly #prompt: PromptMark;
  #isDue = false;
  /** Asked for in this turn, and perhaps the next in line. */
  #lineOp = 0;
  #inLine = 0;
  #isStopped = false;
  /** On record, and asked for. */
  readonly #requested = new LazyMap<number, Delivery>();
  /** In the order of their places; those before `#coming` were given. */
  readonly #deliveries: Delivery[] = [];
  #coming = 0;
  /** To calls, which are not on record: in the order of the calls, whichever is answered first. */
  readonly #answers: Delivery[] = [];
  /** Records without a place, earliest first. */
  readonly #unordered: { readonly time: number; readonly give: () => void }[] = [];
  #whenLive: (() => void)[] = [];

  constructor(
    history: readonly Placed[],
    private readonly events: SequenceEvents,
  ) {
    this.#history = new History(history, this);
    this.#prompt = new PromptMark(this);
    this.#lastSeq = history.at(-1)?.record.seq ?? 0;
    this.#prompt.set();
  }

  /** Nothing on record is left to be given: what is new may begin. */
  get isLive(): boolean {
    return this.#history.isOver;
  }

  /** The next on record. */
  get head(): Placed | undefined {
    return this.#history.head;
  }

  /** On record and not given, in order. */
  get left(): readonly Placed[] {
    return this.#history.left;
  }

  get asked(): number {
    return this.#asked;
  }

  /** Things that the handler has asked for and was not given yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** How many things the handler has been given. */
  get turn(): number {
    return this.#turn;
  }

  /** What the handler was given last. */
  get given(): number {
    return this.#given;
  }

  /** The handler goes on with what it was given last, and nothing of the event loop lies between. */
  get isPrompt(): boolean {
    return this.#prompt.isSet;
  }

  /** A call was not answered yet: what the handler asks for behind it is still to come. */
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

  /** The handler asks for something. */
  ask(): void {
    this.#asked++;
    this.#outstanding++;
  }

  /** The handler makes a call, which is not on record. */
  call(id: number): Delivery {
    this.#outstanding++;
    const answer: Delivery = { id, op: 0, isAnswer: true, isReady: false, give: () => {} };
    this.#answers.push(answer);
    return answer;
  }

  /** Gives the answer to a call, in a turn of its own. */
  answer(answer: Delivery, give: () => void): void {
    // A handler whose time is over may still call, and is told what came of it.
    if (this.#isStopped) return give();
    answer.give = give;
    answer.isReady = true;
    this.#pump();
  }

  /** It is never answered. */
  forgetCall(answer: Delivery): void {
    this.#answers.splice(this.#answers.indexOf(answer), 1);
    this.#pumpSoon();
  }

  /** It was given what came of it, or never will be. */
  settle(): void {
    this.#outstanding--;
  }

  /** Calls `go` when everything on record has been given. */
  whenLive(go: () => void): void {
    this.#whenLive.push(go);
    this.#pumpSoon();
  }

  /** Gives what is on record of an operation, when its turn comes. */
  request(op: number, isReady: boolean, give: () => void): Delivery {
    const delivery: Delivery = { op, id: op, isReady, give };
    this.#requested.set(op, delivery);
    // Counted when it was passed over.
    if (this.#history.hasPassedOver(op)) this.#asked--;
    if (this.isPrompt && this.#isNextInLine(op)) this.#lineOp = op;
    else this.#pumpSoon();
    return delivery;
  }

  /** Gives what is on record without a place: of what the handler has asked for, the earliest first. */
  requestUnordered(time: number, give: () => void): void {
    const index = this.#unordered.findIndex((other) => other.time > time);
    this.#unordered.splice(index < 0 ? this.#unordered.length : index, 0, { time, give });
    this.#pumpSoon();
  }

  /** The place of what is recorded now, or of what ends while the handler is parked. */
  place(): Place {
    return { seq: ++this.#lastSeq, asked: askedCount(this.#asked, this.#answered), alone: this.#outstanding === 1 };
  }

  /** Whether the operation follows from what the handler was given last, so that its record needs no identity. */
  isChained({ isChained, behind, name }: Asked, label: string): boolean {
    // A branch may go on when its handler has ended: what has a place by then is not known here any more.
    if (!isChained || behind !== this.#lastGiven || this.#isStopped) return false;
    if (this.#deliveries.length > this.#coming) return false;
    // As a reader of the record has it.
    return nameOfLabel(label) === name;
  }

  /** Something whose place is behind everything that has one. It is given when it is ready and all before it was given. */
  expect(delivery: Delivery): void {
    this.#deliveries.push(delivery);
    if (delivery.isReady) this.#pump();
  }

  /** What was waited for is here. */
  ready(delivery: Delivery): void {
    delivery.isReady = true;
    this.#pump();
  }

  /** The handler does not ask for the next on record any more. It counts as asked for. */
  passOver(placed: Placed): void {
    this.#history.passOver(placed);
    this.#asked++;
    this.#pumpSoon();
  }

  isPassedOver(placed: Placed): boolean {
    return this.#history.isPassedOver(placed);
  }

  /** In changed code: gives an answer that was not on its way then. */
  answerAnyway(): boolean {
    return !this.#isStopped && this.#giveAnswer();
  }

  /** Passed over and not asked for since, of this kind and name. */
  passedOverAs(kind: CheckpointKind, name: string): Placed | undefined {
    return this.#history.passedOverAs(kind, name);
  }

  /** Gives this one next, before what is recorded before it. */
  bringForward(placed: Placed): void {
    this.#history.bringForward(placed);
    this.#pumpSoon();
  }

  forgetWhenLive(go: () => void): void {
    this.#whenLive = this.#whenLive.filter((other) => other !== go);
  }

  /** Lets something new begin before the record is through: it was not counted then. */
  begin(go: () => void): void {
    this.#asked--;
    this.forgetWhenLive(go);
    go();
  }

  /** Nothing is given any more. */
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
   * Nothing else is outstanding, now as then: no turn has to pass for others. Thousands of steps behind each other are
   * replayed in a fraction of the time; the event loop gets its turn now and then.
   */
  #isNextInLine(op: number): boolean {
    const { head } = this.#history;
    return head?.op === op && head.record.alone && head.record.prompt && this.#outstanding === 1 && !this.#isStopped;
  }

  /** Behind all that the handler does in the same turn. */
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

  /** Gives at most one thing, and comes back for the next. */
  #pump(): void {
    if (this.#isStopped) return;
    if (this.#givenIn === currentTurn()) return this.#pumpSoon();
    const { head } = this;
    if (head === undefined) this.#pumpLive();
    else this.#pumpHistory(head);
  }

  /** The next answer that is here. */
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
    // Behind everything that has a place, and before everything that gets one: so a replay gives it.
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
      // Only where something new began before the record was through.
      if (this.#giveComing()) return;
      if (delivery === undefined || delivery.isReady) this.events.onHeld(head);
      return;
    }
    this.#requested.delete(head.op);
    this.#history.take(head);
    this.#give(delivery);
    if (this.isLive) this.events.onLive();
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

/** Most handlers end with nothing left, and shortening an array that is empty costs as much as one that is not. */
function empty(list: unknown[]): void {
  if (list.length > 0) list.length = 0;
}
