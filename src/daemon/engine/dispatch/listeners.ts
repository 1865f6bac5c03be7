/** Passes notifications from a component that is created early to those created later. */
export class Listeners<News> {
  readonly #listeners: ((news: News) => void)[] = [];

  add(listener: (news: News) => void): void {
    this.#listeners.push(listener);
  }

  notify(news: News): void {
    for (const listener of this.#listeners) listener(news);
  }
}
