/**
 * The database's time, kept up between the answers that tell it: what passes is measured on the monotonic clock, so the
 * wall clock of this machine plays no part.
 */
export class ServerTime {
  /** Of the server's clock before the monotonic one; null until the first answer. */
  #offset: number | null = null;

  /** Call before a question; what it returns is given the answer, when it is there. */
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
