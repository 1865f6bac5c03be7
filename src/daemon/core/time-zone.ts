/** Time zones by their IANA names, as stretches of constant offset that are read from Intl. */

/** A stretch of time with one offset. It may end before the offset changes, at the edge of what was read. */
export interface Stretch {
  /** Milliseconds since the epoch; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  /** Local time minus UTC, in milliseconds. */
  readonly offset: number;
  /** When the offset last changed, if within the last days; otherwise -Infinity. */
  readonly changedAt: number;
  /** The offset before `changedAt`. */
  readonly offsetBefore: number;
}

const DAY_MS = 86_400_000;
/** Zones are read in pieces of this length, each once. */
const PIECE_MS = 32 * DAY_MS;
/**
 * How long a change is kept in memory: longer than any gap or overlap. The longest, one day, occurred where the date
 * line moved.
 */
const MEMORY_MS = 2 * DAY_MS;
const MOST_PIECES = 64;
/** Size of the cache. There are 450 names, but each can be written in any case. */
const MOST_ZONES = 1_024;

const zones = new Map<string, TimeZone>();

/** The zone of a name, from a cache; null when there is none. */
export function findTimeZone(name: string): TimeZone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = TimeZone.open(name);
  if (zone === null) return null;
  if (zones.size >= MOST_ZONES) zones.clear();
  zones.set(name, zone);
  return zone;
}

/** The zone of a name that was validated when it was stored. */
export function timeZoneOf(name: string): TimeZone {
  const zone = findTimeZone(name);
  if (zone === null) throw new RangeError(`this daemon does not know the time zone ${JSON.stringify(name)}`);
  return zone;
}

/** Offsets of one zone at any time. */
export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  readonly #pieces = new Map<number, readonly Stretch[]>();

  private constructor(name: string, format: Intl.DateTimeFormat) {
    this.name = name;
    this.#format = format;
  }

  /** Null for an unknown name, and for a bare offset, which is not a zone; Etc/GMT-2 is one. */
  static open(name: string): TimeZone | null {
    if (!/^[a-z]/i.test(name)) return null;
    try {
      return new TimeZone(name, new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" }));
    } catch {
      return null;
    }
  }

  /** Milliseconds that local time is ahead of UTC. */
  offsetAt(at: number): number {
    return this.stretchAt(at).offset;
  }

  /** The stretch that contains a time. */
  stretchAt(at: number): Stretch {
    const index = Math.floor(at / PIECE_MS);
    let piece = this.#pieces.get(index);
    if (piece === undefined) {
      piece = this.#readPiece(index * PIECE_MS);
      if (this.#pieces.size >= MOST_PIECES) this.#pieces.clear();
      this.#pieces.set(index, piece);
    }
    // Always found: the stretches of a piece leave no gap.
    return piece.findLast((stretch) => stretch.start <= at) as Stretch;
  }

  /** Reads one offset per day, as no zone changes twice within a day. */
  #readPiece(start: number): readonly Stretch[] {
    const end = start + PIECE_MS;
    const stretches: Stretch[] = [];
    let from = start - MEMORY_MS;
    let offset = this.#read(from);
    let changedAt = -Infinity;
    let offsetBefore = offset;
    const close = (at: number) => {
      if (at > start) stretches.push({ start: Math.max(from, start), end: at, offset, changedAt, offsetBefore });
    };
    for (let day = from + DAY_MS; day <= end; day += DAY_MS) {
      const next = this.#read(day);
      if (next === offset) continue;
      const at = this.#findChange(day - DAY_MS, day, offset);
      if (at >= end) break;
      close(at);
      [from, changedAt, offsetBefore, offset] = [at, at, offset, next];
    }
    close(end);
    return stretches;
  }

  /** The first second with a different offset. */
  #findChange(from: number, to: number, offset: number): number {
    let before = from / 1_000;
    let after = to / 1_000;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.#read(middle * 1_000) === offset) before = middle;
      else after = middle;
    }
    return after * 1_000;
  }

  #read(at: number): number {
    const text = this.#format.format(at);
    const [, sign, hours, minutes, seconds] = /GMT(?:([+-])(\d+):?(\d+)?:?(\d+)?)?/.exec(text) ?? [];
    if (hours === undefined) return 0;
    const length = Number(hours) * 3_600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
    return (sign === "-" ? -length : length) * 1_000;
  }
}
