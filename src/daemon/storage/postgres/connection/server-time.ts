/**
 * The database's time, extrapolated between its answers by the monotonic clock, so that the wall clock of this machine
 * does not matter.
 */
export class ServerTime {
  /** Of the server's clock before the monotonic one; null until the first answer. */
  #offset: number | null = null;

  /** Called before a query; the result is to be called with the answer. */
  ask(): (now: number) => void {
    const askedAt = performance.now();
    return (now) => this.#observe(now, askedAt, performance.now());
  }

  /** The server read its clock at some time in between. Within these bounds the offset stays as it was. */
  #observe(now: number, askedAt: number, answeredAt: number): void {
    const least = now - answeredAt;
    const most = now + 1 - askedAt;
    this.#offset = this.#offset === null ? least : Math.min(Math.max(this.#offset, least), most);
  }

  now(): number {
    return Math.floor(performance.now() + (this.#offset ?? 0));
  }
}
