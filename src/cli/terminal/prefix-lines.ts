/** Prefixes each line of a text that arrives in chunks, and writes whole lines so that several writers do not mix. */
export class LinePrefixer {
  #rest = "";
  readonly #prefix: string;
  readonly #write: (text: string) => void;

  constructor(prefix: string, write: (text: string) => void) {
    this.#prefix = prefix;
    this.#write = write;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    if (lines.length > 0) this.#write(lines.map((line) => `${this.#prefix}${line}\n`).join(""));
  }

  /** Writes the text after the last newline. */
  end(): void {
    if (this.#rest !== "") this.#write(`${this.#prefix}${this.#rest}\n`);
    this.#rest = "";
  }
}
