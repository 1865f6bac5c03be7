/** Random handlers as data: what a workflow of plain code may consist of, made from a seed. */
import { type Random, randomFrom } from "../support/seeded-random.ts";
import { bodiesOf } from "./program-points.ts";
import { canSignal } from "./signals.ts";

/** One statement of a handler. */
export type Node =
  | StepNode
  | ChildNode
  /** Calls beside each other, and behind all of them the waits for their results, one after another. */
  | { readonly kind: "children"; readonly calls: readonly ChildNode[] }
  | JoinNode
  | TryNode
  | { readonly kind: "sleep"; readonly name: string; readonly ms: number }
  | { readonly kind: "now" | "random" | "uuid"; readonly name?: string }
  | { readonly kind: "emit"; readonly event: string }
  | { readonly kind: "event"; readonly event: string; readonly timeoutMs: number }
  | { readonly kind: "signal"; readonly signal: string; readonly timeoutMs: number }
  | { readonly kind: "first"; readonly name: string; readonly sources: readonly Source[] }
  | { readonly kind: "timer"; readonly ms: number }
  | { readonly kind: "hop"; readonly how: "immediate" | "microtask" }
  | { readonly kind: "throw"; readonly attempts: number; readonly terminal: boolean }
  | { readonly kind: "loop"; readonly times: number; readonly body: readonly Node[] };

export interface StepNode {
  readonly kind: "step";
  readonly name: string;
  /** How long its body takes. */
  readonly ms: number;
  /** Runs of its body that throw before one succeeds. */
  readonly fails: number;
  /** `maxAttempts`; null: no retries of its own. */
  readonly tries: number | null;
  readonly terminal: boolean;
}

/** A call of a durable function and the wait for its result. Calls with equal members are equal calls. */
export interface ChildNode {
  readonly kind: "child";
  readonly tag: string;
  readonly ms: number;
  readonly fails: number;
}

export interface JoinNode {
  readonly kind: "join";
  readonly how: "all" | "race" | "any" | "settled";
  readonly branches: readonly (readonly Node[])[];
  /** After allSettled: throws the first error that it was given. */
  readonly throws: boolean;
}

export interface TryNode {
  readonly kind: "try";
  readonly body: readonly Node[];
  /** Null: no catch. */
  readonly caught: readonly Node[] | null;
  /** The catch ends by throwing what it caught. */
  readonly rethrows: boolean;
  readonly last: readonly Node[];
}

export type Source =
  { readonly kind: "event"; readonly event: string } | { readonly kind: "sleep"; readonly ms: number } | ChildNode;

export interface Program {
  readonly maxAttempts: number;
  readonly body: readonly Node[];
}

/** More than any program has runs of one step. */
export const ALWAYS = 1_000;

const MIN_SIZE = 3;
const MAX_SIZE = 15;
const MAX_DEPTH = 3;

/** One program in four awaits signals, once there are any. */
const SIGNALLED = 4;

/** The same program for the same seed; it grows with the seed, and begins small again. */
export function raceFree(program: Program): Program {
  const text = JSON.stringify(program, (key, value: unknown) =>
    key === "how" && (value === "race" || value === "any") ? "all" : value,
  );
  return JSON.parse(text) as Program;
}

export function programFrom(seed: number, hasSignals = canSignal()): Program {
  const size = MIN_SIZE + (seed % (MAX_SIZE - MIN_SIZE + 1));
  return new Generator(randomFrom(seed ^ 0x5eed), size, hasSignals && seed % SIGNALLED === 0).program();
}

/** Children are called before they are awaited: a branch that begins so asks for its first operation later. */
function atOnce(node: Node): Node {
  if (node.kind !== "first") return node;
  return { ...node, sources: node.sources.filter(({ kind }) => kind !== "child") };
}

function hasJoin(node: Node): boolean {
  return node.kind === "join" || bodiesOf(node).some(([, body]) => body.some(hasJoin));
}

/**
 * Keeps what `docs/workflows.md` asks of handlers: a branch begins with a durable operation, and ends with a recorded one
 * wherever it can end, by a value or by an error, so that plain timers never decide a race; whoever waits for branches goes
 * on with a durable operation; and names are not used again where a retry may take another way.
 */
class Generator {
  #left: number;
  /** Whoever waits for branches may go on beside the last of them: a plain timer there would let chance decide. */
  #isBeside = false;
  /** A plain timer lies before the next operation: which of two equal calls, or uses of a name, comes first would be chance. */
  #isBehindPlain = false;
  #lateCalls = 0;
  readonly #maxAttempts: number;
  /** Code that an attempt may skip which another one runs, or that losers run beside: names there are used nowhere else. */
  #segments = 0;
  #segment = 0;
  #isInLoop = false;

  constructor(
    private readonly random: Random,
    size: number,
    private readonly hasSignals: boolean,
  ) {
    this.#left = size;
    this.#maxAttempts = random.between(1, 3);
  }

  program(): Program {
    const body: Node[] = [];
    while (this.#left > 0) body.push(...this.#nodes(0));
    const throws = this.#chance(0.2) ? [this.#throw(this.#pick([1, 1, 2, ALWAYS]))] : [];
    return { maxAttempts: this.#maxAttempts, body: [...body, ...throws] };
  }

  /** One statement, or a few that belong together. */
  #nodes(depth: number): readonly Node[] {
    const dice = this.random.next();
    if (depth < MAX_DEPTH && this.#left > 1) {
      if (dice < 0.22) return [this.#join(depth + 1)];
      // In a loop a retry may come another way in each turn, and the names are the same.
      if (dice < 0.36 && !(this.#isInLoop && this.#maxAttempts > 1)) return [this.#try(depth + 1)];
      if (dice < 0.41) return [this.#loop(depth + 1)];
    }
    if (dice < 0.53) return [this.#plain()];
    if (dice < 0.56 && depth > 0) return [this.#step(0), this.#throw(ALWAYS)];
    return [this.#operation()];
  }

  #sequence(depth: number, max: number): readonly Node[] {
    const length = this.random.between(1, max);
    return Array.from({ length }, () => this.#nodes(depth)).flat();
  }

  #sealed(depth: number, max: number): readonly Node[] {
    return [...this.#sequence(depth, max), this.#ending()];
  }

  #join(depth: number): Node {
    const how = this.#pick(["all", "all", "race", "race", "any", "settled"] as const);
    const isBehindPlain = this.#isBehindPlain;
    const branch = (): readonly Node[] => {
      // Whatever came before the join came before each of its branches.
      this.#isBehindPlain = isBehindPlain;
      return this.#chance(0.75) ? [atOnce(this.#operation()), ...this.#sealed(depth, 2)] : [atOnce(this.#ending())];
    };
    const branches = Array.from({ length: this.random.between(2, 3) }, branch);
    this.#isBeside = true;
    // What loses goes on beside what comes next, also where no attempt is retried.
    if (how !== "settled") this.#segment = ++this.#segments;
    return { kind: "join", how, branches, throws: how === "settled" && this.#chance(0.3) };
  }

  #try(depth: number): Node {
    const hasCatch = this.#chance(0.8);
    this.#enterSegment();
    const body = [...this.#sequence(depth, 2), this.#chance(0.7) ? this.#step(0.8) : this.#operation()];
    const isBeside = body.some(hasJoin);
    this.#isBeside = isBeside;
    this.#enterSegment();
    const caught = hasCatch ? this.#sealed(depth, 1) : null;
    this.#isBeside = isBeside || (caught?.some(hasJoin) ?? false);
    this.#enterSegment();
    const last = !hasCatch || this.#chance(0.3) ? this.#sealed(depth, 1) : [];
    this.#enterSegment();
    return { kind: "try", body, caught, rethrows: hasCatch && this.#chance(0.25), last };
  }

  #loop(depth: number): Node {
    const wasInLoop = this.#isInLoop;
    this.#isInLoop = true;
    const body = [this.#operation(), ...this.#sequence(depth, 1)];
    // What comes last comes before the first operation of the next turn.
    if (this.#isBehindPlain) body.push(this.#ending());
    this.#isInLoop = wasInLoop;
    this.#left -= body.length;
    return { kind: "loop", times: this.random.between(2, 3), body };
  }

  #operation(): Node {
    const node = this.#anyOperation();
    this.#isBehindPlain = false;
    return node;
  }

  #anyOperation(): Node {
    this.#isBeside = false;
    const dice = this.random.next();
    if (dice < 0.46) return this.#step(0.2);
    this.#left--;
    if (this.hasSignals && this.#chance(0.3)) return this.#signal();
    if (dice < 0.58) return { kind: "sleep", name: this.#name(), ms: this.random.between(1, 30) };
    if (dice < 0.66) return this.#child();
    if (dice < 0.7) return this.#children();
    if (dice < 0.78) return { kind: "event", event: this.#event(), timeoutMs: this.random.between(1, 40) };
    if (dice < 0.86) return { kind: "emit", event: this.#event() };
    if (dice < 0.93) return this.#named("now");
    return this.#first();
  }

  /** Something whose end is recorded: an emit is only known to have been asked for. */
  #ending(): Node {
    const node = this.#operation();
    return node.kind === "emit" ? this.#step(0) : node;
  }

  #signal(): Node {
    return { kind: "signal", signal: this.#own(this.#pick(["s", "t"])), timeoutMs: this.random.between(1, 40) };
  }

  /** Nothing of it is recorded. */
  #plain(): Node {
    const dice = this.#isBeside ? 1 : this.random.next();
    if (dice < 0.6) this.#isBehindPlain = true;
    if (dice < 0.45) return { kind: "timer", ms: this.random.between(1, 8) };
    if (dice < 0.6) return { kind: "hop", how: this.#pick(["immediate", "microtask"] as const) };
    return this.#named(this.#pick(["random", "uuid"] as const));
  }

  /** @param failing how likely it is that its body throws at first */
  #step(failing: number): StepNode {
    this.#isBeside = false;
    this.#isBehindPlain = false;
    this.#left--;
    const fails = this.#chance(failing) ? this.#pick([1, 1, 2, ALWAYS]) : 0;
    const tries = this.#chance(0.4) ? this.random.between(1, 3) : null;
    const terminal = fails > 0 && this.#chance(0.1);
    return { kind: "step", name: this.#name(), ms: this.#pick([0, 0, 1, 3, 8]), fails, tries, terminal };
  }

  #child(): ChildNode {
    const fails = this.#chance(0.25) ? this.#pick([1, ALWAYS]) : 0;
    const tag = this.#own(this.#pick(["x", "y"]));
    return {
      kind: "child",
      tag: this.#isBehindPlain ? `${tag}/${++this.#lateCalls}` : tag,
      ms: this.#pick([0, 0, 5]),
      fails,
    };
  }

  #children(): Node {
    const calls = Array.from({ length: this.random.between(2, 3) }, () => this.#child());
    return { kind: "children", calls };
  }

  #first(): Node {
    const source = (): Source => {
      const dice = this.random.next();
      if (dice < 0.4) return { kind: "event", event: this.#event() };
      return dice < 0.7 ? { kind: "sleep", ms: this.random.between(1, 30) } : this.#child();
    };
    const bound: Source = { kind: "sleep", ms: this.random.between(5, 40) };
    return { kind: "first", name: this.#name(), sources: [source(), source(), bound] };
  }

  /**
   * How many attempts have failed is recorded nowhere: only what nobody catches may depend on it.
   *
   * @param attempts that it fails
   */
  #throw(attempts: number): Node {
    return { kind: "throw", attempts, terminal: this.#chance(0.1) };
  }

  #name(): string {
    return this.#own(this.#pick(["a", "a", "b", "c"]));
  }

  /** Of its segment alone: also a wait or a value of one name would be another one when an attempt has skipped the first. */
  #own(name: string): string {
    return this.#segment === 0 ? name : `${name}${this.#segment}`;
  }

  #named(kind: "now" | "random" | "uuid"): Node {
    if (this.#isBehindPlain) return { kind, name: `${this.#own(kind)}/${++this.#lateCalls}` };
    return this.#segment === 0 ? { kind } : { kind, name: this.#own(kind) };
  }

  #enterSegment(): void {
    this.#segment = this.#maxAttempts === 1 ? 0 : ++this.#segments;
  }

  #event(): string {
    return this.#own(this.#pick(["e", "f"]));
  }

  #chance(share: number): boolean {
    return this.random.next() < share;
  }

  #pick<T>(items: readonly T[]): T {
    // A whole number below the length is the place of an item.
    return items[this.random.between(0, items.length - 1)] as T;
  }
}
