/**
 * Where in a handler's own causality something is asked for. Each operation begins a branch for what is asked for behind
 * it, which travels with the async context: through awaits, timers and callbacks. So an operation is known again by what
 * led to it, and not by when it came: branches that run beside each other may overtake each other.
 */
export class Branch {
  #counts: Map<string, number> | undefined;

  /** @param id of the operation that was asked for last here; it changes where changed code meets an old record */
  constructor(
    public id: number,
    readonly behind?: Branch,
  ) {}

  /** Number of the next operation of this name here, from 1. */
  next(name: string): number {
    const count = this.peek(name);
    this.#counts ??= new Map();
    this.#counts.set(name, count);
    return count;
  }

  /** As `next`, which will give the same. */
  peek(name: string): number {
    return (this.#counts?.get(name) ?? 0) + 1;
  }
}

/** Of what a handler asks for first. */
export const ROOT_ID = 1;

/**
 * Identity of the nth operation of a name behind another one: 31 bits, never 0. FNV-1a (Fowler, Noll, Vo), as records
 * are kept by the thousand and hashed at each replay.
 */
export function operationId(behind: number, name: string, nth: number): number {
  let hash = 0x811c9dc5;
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
