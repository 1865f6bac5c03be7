import type { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";

/**
 * Where in a handler's own causality something is asked for. Each operation begins a branch for what is asked for behind
 * it, which travels with the async context: through awaits, timers and callbacks. So an operation is known again by what
 * led to it, and not by when it came: branches that run beside each other may overtake each other.
 */
export class Branch {
  /** The first name that was used here; most branches see one operation and need no map. */
  #firstKind: CheckpointKind = 0;
  #firstName: string | undefined;
  #firstCount = 0;
  #others: Map<string, number> | undefined;
  /** How its operation was asked for, where something may be on record of it. */
  asked: Alternatives | undefined;
  /** Its identity before it took the one on record. */
  #structuralId = 0;

  /**
   * @param id of the operation that was asked for last here; it changes where changed code meets an old record
   * @param turn of the handler in which that was: how many things it had been given
   */
  constructor(
    public id: number,
    readonly turn: number,
    readonly behind?: Branch,
  ) {}

  /** What is asked for behind it is known by the identity that was recorded first. */
  take(id: number): void {
    this.#structuralId = this.id;
    this.id = id;
  }

  /**
   * Identities that its operation may have had in another execution: made only where something behind it is not found.
   *
   * @param depth of operations before it that may have had another one too
   */
  alternatives(depth: number): readonly number[] {
    const others = this.asked?.alternatives(depth) ?? NONE;
    return this.#structuralId === 0 ? others : [this.#structuralId, ...others];
  }

  /** Number of the next operation of this kind and name here, from 1. */
  next(kind: CheckpointKind, name: string): number {
    this.#firstName ??= name;
    if (this.#firstCount === 0) this.#firstKind = kind;
    if (this.#isFirst(kind, name)) return ++this.#firstCount;
    const count = this.peek(kind, name);
    this.#others ??= new Map();
    this.#others.set(`${kind} ${name}`, count);
    return count;
  }

  /** As `next`, which will give the same. */
  peek(kind: CheckpointKind, name: string): number {
    if (this.#isFirst(kind, name)) return this.#firstCount + 1;
    return (this.#others?.get(`${kind} ${name}`) ?? 0) + 1;
  }

  #isFirst(kind: CheckpointKind, name: string): boolean {
    return this.#firstName === name && this.#firstKind === kind;
  }
}

export interface Alternatives {
  alternatives(depth: number): readonly number[];
}

const NONE: readonly number[] = [];

/** Of what a handler asks for first. */
export const ROOT_ID = 1;

/** How something is asked for in the async context of a branch. */
export type Relation =
  /** By whoever waited for the operation with which the branch began, or later. */
  | "own"
  /** In the turn in which the branch began: by the code that began it and did not wait. */
  | "at once"
  /** In a turn in which the handler was given something else: by whoever waited for several branches. */
  | "beside";

export const RELATIONS: readonly Relation[] = ["own", "at once", "beside"];

/** One name for each relation: who asks in another one asks for something else. */
export function nameIn(relation: Relation, name: string): string {
  switch (relation) {
    case "own":
      return name;
    case "at once":
      return `^${name}`;
    case "beside":
      return `~${name}`;
  }
}

/**
 * Identity of the nth operation of a kind and a name behind another one: 31 bits, never 0. FNV-1a (Fowler, Noll, Vo), as
 * records are kept by the thousand and hashed at each replay.
 */
export function operationId(behind: number, kind: CheckpointKind, name: string, nth: number): number {
  let hash = mix(0x811c9dc5, kind);
  hash = mix(mix(mix(mix(hash, behind & 0xff), (behind >>> 8) & 0xff), (behind >>> 16) & 0xff), behind >>> 24);
  for (let index = 0; index < name.length; index++) hash = mix(hash, name.charCodeAt(index));
  for (let rest = nth; rest > 0; rest = Math.floor(rest / 0x100)) hash = mix(hash, rest & 0xff);
  // The low bits of FNV-1a depend on few of the high ones: folded once more.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & 0x7fff_ffff || ROOT_ID;
}

function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193);
}
