/** UUIDv7 in text form: job IDs chosen by clients and daemons. Needs Web Crypto, as in Node ≥ 20 and Bun. */

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const DIGITS = "0123456789abcdef";
const POOL_BYTES = 4096;
const COUNTER_LIMIT = 0x1000;

/**
 * Returns a generator of IDs that only increase, even if the clock stops or goes back: 48 bits of milliseconds, 12 bits
 * of a counter that starts at a random value in each millisecond, and 62 random bits. If the counter overflows, the
 * time part runs ahead of the clock.
 *
 * @param now milliseconds since the epoch
 */
export function createUuidV7(now: () => number = Date.now): () => string {
  const pool = new DataView(new ArrayBuffer(POOL_BYTES));
  let used = POOL_BYTES;
  let time = -1;
  let counter = 0;
  let prefix = "";

  function take(count: number): number {
    if (used + count > POOL_BYTES) {
      crypto.getRandomValues(new Uint8Array(pool.buffer));
      used = 0;
    }
    const start = used;
    used += count;
    return start;
  }

  function hex24(at: number): string {
    return `${HEX[pool.getUint8(at)]}${HEX[pool.getUint8(at + 1)]}${HEX[pool.getUint8(at + 2)]}`;
  }

  function startMillisecond(value: number): void {
    time = value;
    // Starts in the lower half, so that a busy millisecond rarely overflows.
    counter = pool.getUint16(take(2)) & 0x7ff;
    const hex = time.toString(16).padStart(12, "0");
    prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
  }

  return () => {
    const current = now();
    if (current > time) startMillisecond(current);
    else if (++counter === COUNTER_LIMIT) startMillisecond(time + 1);
    const at = take(8);
    const variant = (pool.getUint8(at) & 0x3f) | 0x80;
    const clock = `${HEX[variant]}${HEX[pool.getUint8(at + 1)]}`;
    return `${prefix}${DIGITS[counter >> 8]}${HEX[counter & 0xff]}-${clock}-${hex24(at + 2)}${hex24(at + 5)}`;
  };
}

/** The generator of this process. */
export const uuidV7: () => string = createUuidV7();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether the text is a UUID in lower case, as every job ID is. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
