import { AsyncLocalStorage } from "node:async_hooks";
import type { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Context } from "../context.ts";
import { ReseolioError } from "../errors.ts";

/**
 * A position in the causality of a handler. Each operation begins a branch for what is asked for after it, which
 * travels with the async context through awaits, timers and callbacks. So an operation is recognized by what led to it,
 * not by when it came: concurrent branches may overtake each other.
 */
export class Branch {
  /** The first name used here, kept apart because most branches have one operation and need no map. */
  #firstKind: CheckpointKind = 0;
  #firstName: string | undefined;
  #firstCount = 0;
  #others: Map<string, number> | undefined;
  /** How its operation was asked for, if it may be on record. */
  asked: Alternatives | undefined;
  /** Its own identity, before it took the one on record; 0 if it took none. */
  #structuralId = 0;

  /**
   * @param id identity of its operation; changes when changed code meets an old record
   * @param turn number of deliveries to the handler before the operation was asked for
   */
  constructor(
    public id: number,
    readonly turn: number,
    readonly behind?: Branch,
  ) {}

  /** Takes the recorded identity, by which later operations in this branch are recognized. */
  take(id: number): void {
    this.#structuralId = this.id;
    this.id = id;
  }

  /**
   * Identities that its operation may have had in another execution; computed only if something after it is not found.
   *
   * @param depth number of operations before it that may have had other identities too
   */
  alternatives(depth: number): readonly number[] {
    const others = this.asked?.alternatives(depth) ?? NONE;
    return this.#structuralId === 0 ? others : [this.#structuralId, ...others];
  }

  /** Counts an operation of this kind and name in this branch; returns its number, from 1. */
  next(kind: CheckpointKind, name: string): number {
    this.#firstName ??= name;
    if (this.#firstCount === 0) this.#firstKind = kind;
    if (this.#isFirst(kind, name)) return ++this.#firstCount;
    const count = this.peek(kind, name);
    this.#others ??= new Map();
    this.#others.set(`${kind} ${name}`, count);
    return count;
  }

  /** The number that `next` will return. */
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

/** Identity of the root, before anything is asked for. */
export const ROOT_ID = 1;

/** How an operation relates to the branch in whose async context it is asked for. */
export type Relation =
  /** Asked for by code that waited for the operation that began the branch. */
  | "own"
  /** Asked for in the turn in which the branch began, by code that did not wait. */
  | "at once"
  /** Asked for in the turn of another delivery, by code that waited for several branches. */
  | "beside";

export const RELATIONS: readonly Relation[] = ["own", "at once", "beside"];

/** Qualifies the name with the relation: the same name in another relation is another operation. */
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
 * Identity of the nth operation of a kind and a name after another one: 31 bits, never 0. Uses FNV-1a (Fowler, Noll,
 * Vo) because thousands of records may be hashed at each replay.
 */
export function operationId(behind: number, kind: CheckpointKind, name: string, nth: number): number {
  let hash = mix(0x811c9dc5, kind);
  hash = mix(mix(mix(mix(hash, behind & 0xff), (behind >>> 8) & 0xff), (behind >>> 16) & 0xff), behind >>> 24);
  for (let index = 0; index < name.length; index++) hash = mix(hash, name.charCodeAt(index));
  for (let rest = nth; rest > 0; rest = Math.floor(rest / 0x100)) hash = mix(hash, rest & 0xff);
  // The low bits of FNV-1a depend on few of the high ones, so fold once more.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & 0x7fff_ffff || ROOT_ID;
}

function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193);
}

/** Where code runs: in a handler, or in a step of one. It travels with the async context. */
export interface Scope {
  readonly context: Context;
  /** Null outside of steps. */
  readonly stepName: string | null;
  /** What led to here. */
  readonly branch: Branch;
  /** Tells calls of the same function with the same arguments apart. */
  readonly calls: CallCounter;
}

const storage = new AsyncLocalStorage<Scope>();

/**
 * The context of the handler in which this code runs, also after an `await` and inside functions that the handler
 * calls.
 *
 * @example
 * ```ts
 * reseolio.durable("demo:slow", async () => {
 *   context().signal.throwIfAborted();
 * });
 * ```
 *
 * @throws ReseolioError `no_context` outside a handler
 */
export function context(): Context {
  const current = storage.getStore();
  if (current !== undefined) return current.context;
  throw new ReseolioError("no_context", "context() was called outside a handler; call it inside a durable function");
}

/** Where the caller runs; undefined outside a handler. */
export function currentScope(): Scope | undefined {
  return storage.getStore();
}

/**
 * Puts everything that the caller does from here on into this branch, also after awaits. No effect outside the handler.
 */
export function enterBranch(context: object, branch: Branch): void {
  const scope = storage.getStore();
  if (scope === undefined || scope.context !== context) return;
  storage.enterWith({ context: scope.context, stepName: scope.stepName, calls: scope.calls, branch });
}

/** Runs a handler or a step so that `context()` works inside it, also after an await. */
export function runInScope(current: Scope, handler: (...args: never[]) => unknown, args: readonly unknown[]): unknown {
  // The registry erased the handler's types; the arguments are what the caller stored.
  return storage.run(current, handler as (...args: readonly unknown[]) => unknown, ...args);
}

/** Counts calls of the same function with the same arguments within one execution of a handler or a step. */
export class CallCounter {
  #counts: Map<string, number> | undefined;

  /** From 1. */
  next(call: string): number {
    this.#counts ??= new Map();
    const count = (this.#counts.get(call) ?? 0) + 1;
    this.#counts.set(call, count);
    return count;
  }
}
